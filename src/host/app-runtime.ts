import { createBindingsBlock } from '../blocks/bindings/index.ts';
import { createConfigurationBlock } from '../blocks/configuration/index.ts';
import { createCryptoBlock } from '../blocks/crypto/index.ts';
import { createInvokeBlock } from '../blocks/invoke/index.ts';
import { createLockBlock } from '../blocks/lock/index.ts';
import { createPubSubBlock } from '../blocks/pubsub/index.ts';
import type { Blocks } from '../blocks/runtime/index.ts';
import { createSecretsBlock } from '../blocks/secrets/index.ts';
import { checkStateComponent, createStateBlock } from '../blocks/state/index.ts';
import type { AppChannel, SubscriptionSpec } from '../contracts/app-channel.ts';
import type { AdminSource } from '../contracts/admin.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import { egressOwners } from '../contracts/egress-allow.ts';
import type { DriverContext } from '../contracts/driver.ts';
import type { Govern } from '../contracts/governance.ts';
import { keyPrefixOf } from '../contracts/key-prefix.ts';
import type { SharedCounts } from '../contracts/places.ts';
import type { Registry } from '../contracts/resolver.ts';
import type { PeerTransport } from '../contracts/transport.ts';
import type { HttpEndpoint } from '../contracts/resources.ts';
import type { Tracer } from '../contracts/tracer.ts';
import { createSharedBreakers } from '../filters/breaker/shared-breakers.ts';
import { closeFailureText, Owner } from '../kernel/lifecycle.ts';
import type { Logger } from '../kernel/log.ts';
import { labelNames, metricNames } from '../kernel/names.ts';
import type { Clock, Ports } from '../kernel/ports.ts';
import { createSecret, reveal } from '../kernel/secret.ts';
import { createCallRecords } from '../telemetry/call-records.ts';
import type { MetricsRegistry } from '../telemetry/metrics-registry.ts';
import { createComponentManager, type ComponentManager } from './component-manager.ts';
import type { DriverIndex } from './config/check-component.ts';
import type { ComponentResource, LoadedResources } from './config/model.ts';
import { resolveProperties, resolveValue, type ResolveContext } from './config/resolve-component.ts';
import type { ProxyReceive } from './grpc-proxy.ts';
import { lazyProxy } from './lazy-proxy.ts';
import { createActorAdmin } from './actor-admin.ts';
import { createAdmin } from './admin.ts';
import { reminderRetriesOf } from './reminder-retries.ts';
import { checkActorStores } from './actor-stores.ts';
import { createLazyDurable, type LazyDurable } from './lazy-durable.ts';
import { setWorkflowAccess } from './workflow-access.ts';
import { createGovern, type GovernOptions } from './govern.ts';
import type { AppSpec } from './host-api.ts';
import { createSharedEjections, type SharedEjections } from '../mesh/balance/shared-ejections.ts';
import { EndpointGroup } from '../mesh/balance/endpoint-group.ts';
import { PolicyBook } from '../mesh/policy/book.ts';
import { createExternalTransport, createPeerTransport, type Machine } from './machine.ts';
import { observedResolver } from '../mesh/observed-resolver.ts';
import { openNameResolution } from './name-resolution.ts';
import { createOutbox } from './outbox.ts';
import { followRollouts } from './rollouts.ts';
import { createRuntimeBlock, type RuntimeState } from './runtime-block.ts';

export interface AppRuntimeOptions {
  readonly ports: Ports;
  /** Timers of calls, which hardly ever fire. */
  readonly callClock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly tracer: Tracer;
  readonly spec: AppSpec;
  readonly machine: Machine;
  readonly resources: LoadedResources;
  readonly drivers: DriverIndex;
  readonly version: string;
  /** The name under which other runtimes know this one; unique per start. */
  readonly instance: string;
  readonly shutdown: (force: boolean) => void;
  /** What the processes that serve this app count together; absent: there is one. */
  readonly shared?: SharedCounts;
}

/** One app's runtime without its listeners: components, blocks, and what the fronts and the app's lifecycle need of them. */
export interface AppRuntime {
  readonly blocks: Blocks;
  readonly components: ComponentManager;
  readonly state: RuntimeState;
  readonly durable: LazyDurable;
  /** Where this app finds others and is announced. */
  readonly registry: Registry;
  /** Calls of services that Proa does not know, for the own gRPC app. */
  readonly proxy: ProxyReceive;
  /** The channel into the app; exchanged when the app's port becomes known or changes. */
  setChannel(channel: AppChannel | undefined): void;
  /** Declarative subscriptions after a reload; effective at the next `start` of pub/sub. */
  setSubscriptions(declared: readonly SubscriptionSpec[]): void;
  /** What files say now. New policies are exchanged all at once: calls that begin from now on see them. */
  setResources(resources: LoadedResources, newPolicies: boolean): void;
  /** What the admin API answers. */
  readonly admin: AdminSource;
  close(graceMs: number): Promise<void>;
}

/** Opens the components and builds the blocks over them. Fails with the first component that cannot be opened. */
export async function createAppRuntime(options: AppRuntimeOptions): Promise<AppRuntime> {
  const { ports, log, resources, spec } = options;
  const owner = new Owner(ports.clock);
  const book = new PolicyBook(resources.policies);
  let channel: AppChannel | undefined;
  // The block needs the stacks first.
  let invokeApp: Blocks['invoke']['call'];
  let declared: readonly SubscriptionSpec[] = resources.subscriptions.map((subscription) => subscription.spec);
  const govern = governOptions(options, book, (call) => invokeApp(call));
  const ejections = ownShared(owner, govern);
  const context = createContext(options, createGovern(govern));
  let current = resources;
  const components = openComponents(options, context);
  owner.own('components', () => components.close(), 10_000);
  try {
    await components.open(resources.components);
    const registry = await openRegistry(options, components);
    owner.own('name resolution', () => registry.close());
    const endpoints = await resolveEndpoints(options, components);
    const state: RuntimeState = { appReady: false, appUnhealthy: false, listening: false, stopping: false, channel: undefined };
    const parts = { options, context, components, registry, endpoints, state, channel: () => channel, declared: () => declared };
    const peers = createPeerTransport(options.machine);
    const durable = openDurable({ ...parts, book }, peers);
    owner.own('actors', () => durable.close(), 30_000);
    const blocks = createBlocks({ ...parts, peers, durable, ejections, resources: () => current });
    invokeApp = blocks.invoke.call;
    await startOutbox(owner, parts, blocks.pubsub);
    // Before anybody can reach the app, and its workflows.
    if (resources.workflowAccess.length > 0) await setWorkflowAccess(blocks.workflow, resources.workflowAccess, log);
    const rollouts = openRollouts(options, registry, book);
    owner.own('rollouts', () => rollouts.close(), 2_000);
    return {
      blocks,
      components,
      state,
      registry,
      durable,
      proxy: lazyProxy(context, () => channel),
      setChannel(next) {
        channel = next;
        state.channel = next;
      },
      setSubscriptions(next) {
        declared = next;
      },
      setResources(next, newPolicies) {
        if (newPolicies) rollouts.setDocument(next.policies);
        exchangeAccess(blocks.workflow, { current, next }, log);
        current = next;
      },
      admin: createAdmin({
        spec: options.spec,
        process: ports.process,
        govern,
        resources: () => current,
        actors: createActorAdmin(durable, spec),
      }),
      async close(graceMs) {
        state.stopping = true;
        await closeBlocks(blocks, graceMs);
        for (const failure of await owner.close()) log.warn(`${failure.name} did not close properly`, { error: closeFailureText(failure) });
      },
    };
  } catch (error) {
    await owner.close();
    throw error;
  }
}

/** What the processes of this runtime learn of targets together: breakers, and the ejections that it answers. */
function ownShared(owner: Owner, { shared, sharedBreakers }: ReturnType<typeof governOptions>): SharedEjections | undefined {
  owner.own('shared breakers', () => sharedBreakers?.close());
  const ejections = shared && createSharedEjections(shared.news, shared.name);
  owner.own('shared ejections', () => ejections?.close());
  return ejections;
}

async function startOutbox(owner: Owner, { context, components }: BlockParts, pubsub: Blocks['pubsub']): Promise<void> {
  const outbox = createOutbox(context, { stores: components.set('state'), brokers: components.set('pubsub'), pubsub });
  owner.own('outbox', () => outbox.close(5_000), 6_000);
  await outbox.start();
}

// What cannot be stored is logged, and what was in effect stays.
function exchangeAccess(
  workflow: Blocks['workflow'],
  { current, next }: { readonly current: LoadedResources; readonly next: LoadedResources },
  log: AppRuntimeOptions['log'],
): void {
  const { workflowAccess: access } = next;
  if (access.length + current.workflowAccess.length > 0) setWorkflowAccess(workflow, access, log).catch(() => {});
}

function openRollouts(options: AppRuntimeOptions, registry: Registry, book: PolicyBook): ReturnType<typeof followRollouts> {
  const { ports, log, metrics, machine, spec, resources } = options;
  return followRollouts({
    clock: ports.clock,
    metrics,
    log: log.scoped('proa.rollout'),
    engine: machine.engine,
    namespace: spec.namespace,
    instance: `${spec.id}-${ports.random.uuid()}`,
    id: () => ports.random.uuid(),
    resolver: registry,
    turn: (document) => book.turn(document),
    document: resources.policies,
  });
}

function createContext({ ports, log, metrics, spec, resources }: AppRuntimeOptions, govern: Govern): BlockContext {
  const { id: appId, namespace } = spec;
  for (const { name } of resources.resiliencies)
    metrics.counter(metricNames.resiliencyLoaded, { [labelNames.name]: name, [labelNames.namespace]: namespace }).add(1);
  return { ports, log, metrics, appId, namespace, govern };
}

function governOptions(options: AppRuntimeOptions, book: PolicyBook, invoke: Blocks['invoke']['call']): GovernOptions {
  const { ports, log, metrics, spec, machine, resources, shared } = options;
  const { accessControl, origins } = resources.configuration;
  return {
    clock: options.callClock,
    random: ports.random,
    process: ports.process,
    http: machine.outbound(egressOwners.policies),
    engine: machine.engine,
    log: log.scoped('proa.policy'),
    invoke,
    book,
    metrics,
    tracer: options.tracer,
    namespace: spec.namespace,
    accessControl: () => accessControl,
    origins,
    appId: spec.id,
    records: createCallRecords(),
    shared,
    sharedBreakers: shared === undefined ? undefined : createSharedBreakers({ clock: ports.clock, news: shared.news, name: shared.name }),
  };
}

async function closeBlocks(blocks: Blocks, graceMs: number): Promise<void> {
  await blocks.workflow.close(graceMs);
  await blocks.bindings.close();
  await blocks.pubsub.close(graceMs);
  await blocks.configuration.close();
  await blocks.state.close();
  await blocks.invoke.close();
}

function openComponents(options: AppRuntimeOptions, context: BlockContext): ComponentManager {
  const { ports, log, metrics, spec, drivers } = options;
  const manager: ComponentManager = createComponentManager({
    clock: ports.clock,
    log,
    metrics,
    drivers,
    resolve: { appId: spec.id, namespace: spec.namespace, env: (name) => ports.process.env(name), uuid: () => ports.random.uuid() },
    driverContext: (component) => driverContext(options, component),
    checks: {
      state(component) {
        checkStateComponent(component, context);
        checkActorStores(component, manager.set('state'));
      },
      lock: (component) => void keyPrefixOf(component, context),
    },
  });
  return manager;
}

function driverContext(
  { ports, log, spec, machine }: AppRuntimeOptions,
  component: Pick<ComponentResource, 'name' | 'type' | 'version'>,
): DriverContext {
  return {
    ports,
    log: log.scoped(`proa.component.${component.type}`),
    name: component.name,
    version: component.version,
    appId: spec.id,
    namespace: spec.namespace,
    engine: () => Promise.resolve(machine.engine),
    http: machine.outbound(component.name),
  };
}

function openRegistry(options: AppRuntimeOptions, components: ComponentManager): Promise<Registry> {
  const { machine, resources, drivers } = options;
  const resource = resources.nameResolution;
  const context = driverContext(options, resource ?? { name: 'nameResolution', type: 'nameresolution', version: 'v1' });
  return openNameResolution({
    local: machine.registry,
    ...(machine.databaseRegistry !== undefined && { database: machine.databaseRegistry }),
    ...(resource !== undefined && { resource }),
    drivers,
    resolve: resolveContext(options, components),
    context,
  });
}

interface BlockParts {
  readonly options: AppRuntimeOptions;
  readonly context: BlockContext;
  readonly components: ComponentManager;
  readonly registry: Registry;
  readonly endpoints: ReadonlyMap<string, HttpEndpoint>;
  readonly state: RuntimeState;
  readonly channel: () => AppChannel | undefined;
  readonly declared: () => readonly SubscriptionSpec[];
}

function openDurable(
  { options, context, components, channel, book, state }: BlockParts & { readonly book: PolicyBook },
  peers: PeerTransport,
): LazyDurable {
  const { machine, spec, instance } = options;
  const stores = components.set('state');
  return createLazyDurable({
    context,
    machine,
    peers,
    instance,
    channel,
    stores,
    placementTtlMs: spec.placementTtlMs,
    reminderRetries: reminderRetriesOf(book, context.ports.random),
    answerBytesMax: spec.bodyBytesMax,
    workflows: { ...options, stopping: () => state.stopping },
  });
}

interface BlockSources extends BlockParts {
  readonly peers: PeerTransport;
  readonly durable: LazyDurable;
  readonly ejections: SharedEjections | undefined;
  /** What files say now. */
  readonly resources: () => LoadedResources;
}

function createBlocks(parts: BlockSources): Blocks {
  const { options, context, components, registry, endpoints, state, channel, declared, peers, durable, ejections } = parts;
  const { machine, resources, spec } = options;
  const configuration = resources.configuration;
  const pubsub = createPubSubBlock(context, {
    brokers: components.set('pubsub'),
    channel,
    declared,
    asksApp: !spec.disabledInitEndpoints.includes('subscribe'),
  });
  const stateBlock = createStateBlock(context, { stores: components.set('state'), outbox: pubsub.outbox });
  const bindings = createBindingsBlock(context, {
    bindings: components.set('bindings'),
    channel,
    saveState: stateBlock.save,
    probeTimeoutMs: spec.bindingOptionsTimeoutMs,
  });
  return {
    invoke: createInvokeBlock(context, {
      resolver: observedResolver(registry, options.metrics),
      announced: () => machine.registry.list(),
      balance: (appId, namespace) =>
        new EndpointGroup({
          clock: context.ports.clock,
          random: context.ports.random,
          appId,
          zone: options.ports.process.env('PROA_ZONE') ?? '',
          shared: ejections?.of(`${namespace}/${appId}`),
        }),
      peers,
      external: createExternalTransport(machine.outbound),
      channel,
      unhealthy: () => state.appUnhealthy,
      httpEndpoints: () => endpoints,
      hostAddress: options.ports.process.env('DAPR_HOST_IP') ?? '127.0.0.1',
    }),
    state: stateBlock,
    pubsub,
    bindings,
    secrets: createSecretsBlock(context, { stores: components.set('secretstores'), scopes: () => configuration.secretScopes }),
    configuration: createConfigurationBlock(context, { stores: components.set('configuration'), channel }),
    lock: createLockBlock(context, { stores: components.set('lock') }),
    crypto: createCryptoBlock(context, { providers: components.set('crypto') }),
    workflow: durable.workflow,
    actors: durable.actors,
    jobs: durable.jobs,
    runtime: createRuntimeBlock({
      spec,
      version: options.version,
      components,
      configuration,
      httpEndpoints: () => [...endpoints.keys()],
      resiliencies: resources.resiliencies.map(({ name }) => name),
      workflowAccess: () => parts.resources().workflowAccess.map(({ name }) => name),
      subscriptions: () => pubsub.subscriptions(),
      workflowWorkers: () => durable.workflow.workers,
      actors: () => durable.actors.active(),
      state,
      shutdown: options.shutdown,
    }),
  };
}

function resolveContext({ ports, log, spec }: AppRuntimeOptions, components: ComponentManager): ResolveContext {
  return {
    appId: spec.id,
    namespace: spec.namespace,
    env: (name) => ports.process.env(name),
    uuid: () => ports.random.uuid(),
    warn: (message) => log.warn(message),
    async secret(store, name, key) {
      const value = (await components.set('secretstores').get(store)?.driver.get(name, {}))?.[key];
      return value === undefined ? undefined : createSecret(value);
    },
  };
}

async function resolveEndpoints(options: AppRuntimeOptions, components: ComponentManager): Promise<Map<string, HttpEndpoint>> {
  const resolved = new Map<string, HttpEndpoint>();
  const context = resolveContext(options, components);
  for (const endpoint of options.resources.httpEndpoints) {
    const store = endpoint.secretStore;
    const owner = { what: `HTTPEndpoint "${endpoint.name}" (${endpoint.origin})`, ...(store === undefined ? {} : { store }) };
    const value = (source: Parameters<typeof resolveValue>[0] | undefined) =>
      source === undefined ? undefined : resolveValue(source, { name: owner.what, ...(store === undefined ? {} : { store }) }, context);
    const [rootCa, certificate, privateKey] = [
      await value(endpoint.tls?.rootCa),
      await value(endpoint.tls?.certificate),
      await value(endpoint.tls?.privateKey),
    ];
    resolved.set(endpoint.name, {
      name: endpoint.name,
      baseUrl: endpoint.baseUrl,
      headers: await resolveProperties(endpoint.headers, owner, context),
      tls: {
        ...(rootCa === undefined ? {} : { rootCa: reveal(rootCa) }),
        ...(certificate === undefined ? {} : { certificate: reveal(certificate) }),
        ...(privateKey === undefined ? {} : { privateKey: createSecret(reveal(privateKey)) }),
      },
    });
  }
  return resolved;
}
