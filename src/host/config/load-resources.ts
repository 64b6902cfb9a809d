import { closest } from '../../kernel/closest.ts';
import type { Disk } from '../../kernel/ports.ts';
import { resiliencyRules } from '../../mesh/policy/resiliency.ts';
import { checkComponent, type DriverIndex } from './check-component.ts';
import { embeddedDefaults, type DefaultsMode } from './defaults.ts';
import { readComponent } from './kinds/component.ts';
import { defaultConfiguration, readConfiguration } from './kinds/configuration.ts';
import { readHttpEndpoint } from './kinds/http-endpoint.ts';
import { checkPolicyNames, checkTargets, compileTrips, readResiliency } from './kinds/resiliency.ts';
import { checkConflicts, checkKnown, checkKnownTargets, checkPriorities, checkRollouts } from './kinds/policy/conflicts.ts';
import { checkOperations } from './kinds/policy/operations.ts';
import { readPolicy } from './kinds/policy/policy.ts';
import { readRollout } from './kinds/rollout.ts';
import { readSubscription } from './kinds/subscription.ts';
import { readWorkflowAccess } from './kinds/workflow-access.ts';
import type { ComponentResource, LoadedResources, ResourceHead, RuntimeConfiguration } from './model.ts';
import { checkNameResolution, nameResolutionOf } from './name-resolution.ts';
import { sortProblems, type Problem } from './problem.ts';
import { readDocuments, readFolder } from './read-files.ts';
import type { Reading } from './shape.ts';
import type { Span } from './source.ts';
import { overlay, valueAt, type YamlNode } from './yaml.ts';

export interface LoadOptions {
  readonly disk: Disk;
  /** Folders (or files) of resources, in order. */
  readonly paths: readonly string[];
  /** Configuration files, overlaid in order; a name that is no file names a Configuration of the resources. */
  readonly configPaths?: readonly string[];
  readonly appId: string;
  /** Empty: resources of every namespace apply. */
  readonly namespace?: string;
  readonly drivers: DriverIndex;
  readonly defaults?: DefaultsMode;
  /** Apps that policies may name; absent: apps come and go, so none is called unknown. */
  readonly knownApps?: readonly string[];
}

interface Found {
  readonly node: YamlNode;
  readonly kind: string;
}

const ownKinds = ['Policy', 'Rollout'];
const ownVersion = 'proa.dev/v1alpha1';
const notYet = ['MCPServer'];
const kinds = ['Component', 'Configuration', 'Subscription', 'HTTPEndpoint', 'Resiliency', 'WorkflowAccessPolicy', ...notYet];

function textAt(node: YamlNode, ...path: readonly string[]): string | undefined {
  const found = valueAt(node, ...path);
  return found?.kind === 'scalar' ? found.text : undefined;
}

/** Says which kind a document is; undefined when it is not ours, which is reported where it may be an oversight. */
function classify(node: YamlNode, problems: Problem[]): Found | undefined {
  const [apiVersion, kind] = [textAt(node, 'apiVersion'), textAt(node, 'kind')];
  const at = valueAt(node, 'kind')?.span ?? { ...node.span, end: node.span.start + 1 };
  if (apiVersion === undefined || kind === undefined) {
    // A run file may lie in the same folder.
    if (valueAt(node, 'apps') !== undefined) return undefined;
    problems.push({ severity: 'warning', code: 'config.ignored', message: 'a document without apiVersion and kind is ignored', at });
    return undefined;
  }
  if (apiVersion.startsWith('proa.dev/')) return classifyOwn({ node, kind, apiVersion, at }, problems);
  if (!apiVersion.startsWith('dapr.io/')) {
    problems.push({ severity: 'warning', code: 'config.ignored', message: `a resource of ${apiVersion} is ignored`, at });
    return undefined;
  }
  const versions = kind === 'Subscription' ? ['dapr.io/v1alpha1', 'dapr.io/v2alpha1'] : ['dapr.io/v1alpha1'];
  if (!kinds.includes(kind)) {
    const guess = closest(kind, kinds);
    const help = guess === undefined ? {} : { help: `did you mean \`${guess}\`?` };
    problems.push({
      severity: 'error',
      code: 'config.unknown-kind',
      message: `unknown kind ${kind}`,
      at,
      notes: [`known kinds: ${kinds.join(', ')}`],
      ...help,
    });
    return undefined;
  }
  if (!versions.includes(apiVersion)) {
    const versionAt = valueAt(node, 'apiVersion')?.span ?? at;
    const message = `${kind} has no apiVersion ${apiVersion}`;
    problems.push({ severity: 'error', code: 'config.unknown-kind', message, at: versionAt, notes: [`known: ${versions.join(', ')}`] });
    return undefined;
  }
  if (notYet.includes(kind)) {
    problems.push({ severity: 'warning', code: 'config.not-supported', message: `${kind} resources are not supported yet`, at });
    return undefined;
  }
  return { node, kind };
}

/** Proa's own kinds. */
function classifyOwn(found: Found & { readonly apiVersion: string; readonly at: Span }, problems: Problem[]): Found | undefined {
  const { node, kind, apiVersion, at } = found;
  const known = ownKinds.includes(kind);
  if (known && apiVersion === ownVersion) return { node, kind };
  const message = known ? `${kind} has no apiVersion ${apiVersion}` : `unknown kind ${kind} of ${apiVersion}`;
  const place = known ? (valueAt(node, 'apiVersion')?.span ?? at) : at;
  const guess = known ? undefined : closest(kind, ownKinds);
  problems.push({
    severity: 'error',
    code: 'config.unknown-kind',
    message,
    at: place,
    notes: [`known: ${ownKinds.join(' and ')} of ${ownVersion}`],
    ...(guess !== undefined && { help: `did you mean \`${guess}\`?` }),
  });
  return undefined;
}

class Loading {
  readonly options: LoadOptions;
  readonly problems: Problem[] = [];

  constructor(options: LoadOptions) {
    this.options = options;
  }

  reading(): Reading {
    return { problems: this.problems, origins: new Map() };
  }

  /** Reads the documents of one kind, keeps those of our namespace, reports names that are used twice. */
  ofKind<T extends ResourceHead>(found: readonly Found[], kind: string, read: ReadResource<T>): { resource: T; node: YamlNode }[] {
    const byName = new Map<string, T>();
    const kept: { resource: T; node: YamlNode }[] = [];
    for (const { node } of found.filter((item) => item.kind === kind)) {
      const resource = read(node, this.reading());
      if (resource === undefined || !this.#inNamespace(resource)) continue;
      const first = byName.get(resource.name);
      if (first !== undefined) {
        this.problems.push({
          severity: 'error',
          code: 'config.duplicate-name',
          message: `there is another ${kind} named "${resource.name}"`,
          ...(resource.at && { at: resource.at }),
          notes: [`the first is in ${first.origin}`],
        });
        continue;
      }
      byName.set(resource.name, resource);
      kept.push({ resource, node });
    }
    return kept;
  }

  #inNamespace({ namespace }: ResourceHead): boolean {
    const own = this.options.namespace ?? '';
    return own === '' || namespace === '' || namespace === own;
  }

  inScope = ({ scopes }: ResourceHead): boolean => scopes.length === 0 || scopes.includes(this.options.appId);
}

type ReadResource<T> = (node: YamlNode, reading: Reading) => T | undefined;

/**
 * Reads everything that files say about one app and checks it, component metadata against the drivers' schemas included. Never fails:
 * what is wrong is in `problems`, all of it at once.
 */
export async function loadResources(options: LoadOptions): Promise<LoadedResources> {
  const loading = new Loading(options);
  const { problems } = loading;
  const found: Found[] = [];
  for (const path of options.paths) {
    const documents = await readFolder(options.disk, path, problems);
    found.push(...documents.map((node) => classify(node, problems)).filter((item) => item !== undefined));
  }
  const configuration = await loadConfiguration(loading, found);
  const written = loading.ofKind(found, 'Component', readComponent).map(({ resource }) => resource);
  const defaults = embeddedDefaults(options.defaults ?? 'never', written).filter(({ type }) => Object.hasOwn(options.drivers, type));
  const components = [...written.filter(loading.inScope), ...defaults];
  const resiliencies = loading.ofKind(found, 'Resiliency', readResiliency).filter(({ resource }) => loading.inScope(resource));
  checkPolicyNames(resiliencies, loading.reading());
  checkTargets(resiliencies, loading.reading());
  const trips = await compileTrips(resiliencies, loading.reading());
  const httpEndpoints = loading.ofKind(found, 'HTTPEndpoint', readHttpEndpoint).map(({ resource }) => resource);
  const policies = loading.ofKind(found, 'Policy', readPolicy).filter(({ resource }) => loading.inScope(resource));
  const rollouts = loading.ofKind(found, 'Rollout', readRollout).filter(({ resource }) => loading.inScope(resource));
  const { rules, builtIn } = resiliencyRules(resiliencies.map(({ resource }) => resource));
  checkConflicts({ policies, others: rules }, loading.reading());
  const known = {
    ...(options.knownApps !== undefined && { apps: options.knownApps }),
    components: [...written, ...defaults].map(({ name }) => name),
    endpoints: httpEndpoints.map(({ name }) => name),
  };
  checkPriorities(policies, loading.reading());
  checkKnown(policies, known, loading.reading());
  checkOperations(policies, [...written, ...defaults], loading.reading());
  checkRollouts(rollouts, known, loading.reading());
  checkKnownTargets(resiliencies, known, loading.reading());
  const resources = {
    components: await checkAll(components, configuration, loading),
    subscriptions: loading
      .ofKind(found, 'Subscription', readSubscription)
      .map(({ resource }) => resource)
      .filter(loading.inScope),
    httpEndpoints: httpEndpoints.filter(loading.inScope),
    resiliencies: resiliencies.map(({ resource }) => resource),
    workflowAccess: loading
      .ofKind(found, 'WorkflowAccessPolicy', readWorkflowAccess)
      .map(({ resource }) => resource)
      .filter(loading.inScope),
    policies: {
      rules: [...policies.map(({ resource }) => resource.rule), ...rules],
      builtIn,
      trips,
      rollouts: rollouts.map(({ resource }) => resource.declared),
    },
    configuration,
    ...(await nameResolution(configuration, loading)),
  };
  return { ...resources, problems: sortProblems(problems) };
}

async function nameResolution(configuration: RuntimeConfiguration, loading: Loading): Promise<Pick<LoadedResources, 'nameResolution'>> {
  const wrong = checkNameResolution(configuration);
  loading.problems.push(...wrong);
  const resource = wrong.length > 0 ? undefined : nameResolutionOf(configuration);
  const [usable] = resource === undefined ? [] : await checkAll([resource], configuration, loading);
  return usable === undefined ? {} : { nameResolution: usable };
}

/** Leaves out what cannot be used; with `ignoreErrors` a component's errors are warnings. */
async function checkAll(
  components: readonly ComponentResource[],
  configuration: RuntimeConfiguration,
  loading: Loading,
): Promise<ComponentResource[]> {
  const usable: ComponentResource[] = [];
  const stores = new Set(components.filter(({ kind }) => kind === 'secretstores').map(({ name }) => name));
  for (const component of components) {
    const found = await checkComponent(component, {
      drivers: loading.options.drivers,
      denied: configuration.deniedComponentTypes,
      secretStores: stores,
    });
    const errors = found.filter(({ severity }) => severity === 'error');
    if (errors.length === 0) usable.push(component);
    loading.problems.push(...(component.ignoreErrors ? found.map((problem): Problem => ({ ...problem, severity: 'warning' })) : found));
  }
  return usable;
}

async function loadConfiguration(loading: Loading, found: readonly Found[]): Promise<RuntimeConfiguration> {
  const { options, problems } = loading;
  const inFolders = found.filter(({ kind }) => kind === 'Configuration');
  const layers: YamlNode[] = [];
  const used = new Set<YamlNode>();
  for (const path of options.configPaths ?? []) {
    const named = inFolders.find(({ node }) => textAt(node, 'metadata', 'name') === path);
    const isFile = (await options.disk.stat(path).catch(() => undefined)) !== undefined;
    if (named !== undefined && !isFile) {
      layers.push(named.node);
      used.add(named.node);
      continue;
    }
    const documents = await readDocuments(options.disk, path, problems);
    layers.push(
      ...documents
        .map((node) => classify(node, problems))
        .filter((item) => item?.kind === 'Configuration')
        .map((item) => (item as Found).node),
    );
  }
  for (const { node } of inFolders.filter((item) => !used.has(item.node))) {
    readConfiguration(node, loading.reading());
    const name = textAt(node, 'metadata', 'name') ?? '';
    const at = valueAt(node, 'kind')?.span ?? node.span;
    // As daprd does: a Configuration applies only when it is asked for.
    problems.push({
      severity: 'warning',
      code: 'config.ignored',
      message: `Configuration "${name}" is not applied`,
      at,
      help: `pass --config ${name}`,
    });
  }
  if (layers.length === 0) return defaultConfiguration();
  // Each file is checked by itself, so that a mistake is reported also where a later file covers it.
  const before = problems.length;
  for (const layer of layers) readConfiguration(layer, loading.reading());
  if (problems.length > before) return defaultConfiguration();
  const merged = layers.reduce((under, over) => overlay(under, over));
  return readConfiguration(merged, loading.reading()) ?? defaultConfiguration();
}
