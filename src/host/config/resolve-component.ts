import * as v from 'valibot';
import type { DriverDefinition } from '../../contracts/driver.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createSecret, reveal, type Secret } from '../../kernel/secret.ts';
import { describeIssue, entriesOf } from './check-component.ts';
import type { ComponentResource, Property, ValueSource } from './model.ts';

/** What values may refer to. */
export interface ResolveContext {
  readonly appId: string;
  readonly namespace: string;
  env(name: string): string | undefined;
  uuid(): string;
  /** A secret's value by store, secret and key; undefined when there is none. Fails when the store fails. */
  secret(store: string, name: string, key: string): Promise<Secret | undefined>;
  warn(message: string): void;
}

export interface ResolvedComponent {
  /** Every property, names as written. */
  readonly properties: Readonly<Record<string, string | Secret>>;
  /** What the driver's `open` takes. */
  readonly config: unknown;
}

/** Names that `envRef` may never read: they belong to the runtime. */
function envAllowed(name: string, allowList: string | undefined): boolean {
  const upper = name.toUpperCase();
  if (upper.startsWith('DAPR_') || upper === 'APP_API_TOKEN' || name.includes(' ')) return false;
  if (allowList === undefined || allowList === '') return true;
  return allowList.split(/[\s,]+/).some((allowed) => allowed.toUpperCase() === upper);
}

function fromEnvironment(name: string, owner: string, context: ResolveContext): string {
  if (!envAllowed(name, context.env('DAPR_ENV_KEYS'))) {
    context.warn(`${owner} may not read the environment variable ${name}; the value is empty`);
    return '';
  }
  const value = context.env(name);
  if (value === undefined) context.warn(`${owner} reads the environment variable ${name}, which is not set; the value is empty`);
  return value ?? '';
}

/** One value, without templates. `owner` names it in errors, for example `component "x", property "y"`. What is not written in the YAML is hidden. */
export async function resolveValue(
  source: ValueSource,
  owner: { name: string; store?: string },
  context: ResolveContext,
): Promise<string | Secret> {
  if (source.from === 'literal') return source.value;
  if (source.from === 'environment') return createSecret(fromEnvironment(source.name, owner.name, context));
  if (owner.store === undefined) throw new ProaError('component.init-failed', `${owner.name} refers to a secret but names no secret store`);
  const value = await context.secret(owner.store, source.name, source.key);
  if (value !== undefined) return value;
  const message = `${owner.name}: secret store "${owner.store}" has no key "${source.key}" of secret "${source.name}"`;
  throw new ProaError('component.init-failed', message, { hint: 'check the name and the key of the secret' });
}

/** {uuid} (a new one each time), {podName}, {namespace} (which gives `namespace.appId`, as Dapr does), {appID}. */
function fillTemplates(text: string, property: string, context: ResolveContext): string {
  if (!text.includes('{')) return text;
  const podName = context.env('POD_NAME');
  if (text.includes('{podName}') && !podName)
    throw new ProaError('component.init-failed', `property ${property} refers to {podName}, but POD_NAME is not set`);
  return text
    .replace(/\{uuid\}/g, () => context.uuid())
    .replaceAll('{podName}', () => podName ?? '')
    .replaceAll('{namespace}', () => `${context.namespace}.${context.appId}`)
    .replaceAll('{appID}', () => context.appId);
}

/** Resolves references and templates of all properties of a component or headers of an endpoint. */
export async function resolveProperties(
  properties: readonly Property[],
  owner: { readonly what: string; readonly store?: string },
  context: ResolveContext,
): Promise<Record<string, string | Secret>> {
  const resolved: Record<string, string | Secret> = {};
  for (const { name, source } of properties) {
    const of = { name: `${owner.what}, property "${name}"`, ...(owner.store !== undefined && { store: owner.store }) };
    const value = await resolveValue(source, of, context);
    resolved[name] =
      typeof value === 'string' ? fillTemplates(value, name, context) : createSecret(fillTemplates(value.reveal(), name, context));
  }
  return resolved;
}

/** Makes a component ready to open. Fails with `component.init-failed`, which names the component and never a value. */
export async function resolveComponent(
  component: ComponentResource,
  definition: DriverDefinition,
  context: ResolveContext,
): Promise<ResolvedComponent> {
  const what = `component "${component.name}" (${component.origin})`;
  const store = component.secretStore;
  const properties = await resolveProperties(component.properties, { what, ...(store !== undefined && { store }) }, context);
  const result = v.safeParse(definition.config, schemaInput(properties, definition));
  if (!result.success) {
    const wrong = result.issues.map((issue) => `${v.getDotPath(issue) ?? 'metadata'} ${describeIssue(issue)}`);
    throw new ProaError('component.init-failed', `${what}: ${wrong.join('; ')}`);
  }
  return { properties, config: result.output };
}

/** Revealed here and handed to the driver: properties under the schema's own spelling; what the schema does not name goes along only with `openProperties`. */
function schemaInput(properties: Readonly<Record<string, string | Secret>>, definition: DriverDefinition): Record<string, string> {
  const entries = entriesOf(definition.config);
  const open = definition.openProperties === true || entries === undefined || definition.config.type === 'loose_object';
  const spelling = new Map(Object.keys(entries ?? {}).map((name) => [name.toLowerCase(), name]));
  const input: Record<string, string> = {};
  for (const [name, value] of Object.entries(properties)) {
    const known = spelling.get(name.toLowerCase());
    if (known !== undefined) input[known] = reveal(value);
    else if (open) input[name] = reveal(value);
  }
  return input;
}

/** Secret stores first, each after the store that its own secrets come from; the rest in order of the files. Circles are left in file order. */
export function openingOrder(components: readonly ComponentResource[]): ComponentResource[] {
  const stores = new Map(components.filter(({ kind }) => kind === 'secretstores').map((store) => [store.name, store]));
  const ordered: ComponentResource[] = [];
  const visiting = new Set<string>();
  const visit = (store: ComponentResource): void => {
    if (visiting.has(store.name)) return;
    visiting.add(store.name);
    const needed = store.secretStore === undefined ? undefined : stores.get(store.secretStore);
    if (needed !== undefined) visit(needed);
    ordered.push(store);
  };
  for (const store of stores.values()) visit(store);
  return [...ordered, ...components.filter(({ kind }) => kind !== 'secretstores')];
}
