import type { RuntimeBlock, RuntimeMetadata, SubscriptionSpec } from '../blocks/runtime/index.ts';
import type { ActiveActors } from '../blocks/actors/index.ts';
import type { AppChannel } from '../contracts/app-channel.ts';
import type { Component } from '../contracts/component-set.ts';
import type { DriverKind } from '../contracts/driver.ts';
import type { ComponentManager } from './component-manager.ts';
import type { RuntimeConfiguration } from './config/model.ts';
import type { AppSpec } from './host-api.ts';

/** What changes while a runtime lives. */
export interface RuntimeState {
  /** The app was asked what it wants, or there is no app to ask. */
  appReady: boolean;
  /** The app's health check fails, or has not succeeded yet: nobody's call reaches the app. */
  appUnhealthy: boolean;
  /** Both API listeners are open. */
  listening: boolean;
  stopping: boolean;
  channel: AppChannel | undefined;
}

export interface RuntimeBlockParts {
  readonly spec: AppSpec;
  readonly version: string;
  readonly components: ComponentManager;
  readonly configuration: RuntimeConfiguration;
  readonly httpEndpoints: () => readonly string[];
  readonly resiliencies: readonly string[];
  readonly workflowAccess: () => readonly string[];
  readonly subscriptions: () => readonly SubscriptionSpec[];
  readonly workflowWorkers: () => number;
  readonly actors: () => ActiveActors;
  readonly state: RuntimeState;
  readonly shutdown: (force: boolean) => void;
}

/** The runtime about itself (Dapr reference 4.10, 11.1). */
export function createRuntimeBlock(parts: RuntimeBlockParts): RuntimeBlock {
  const extended = new Map<string, string>();
  return {
    metadata: () => metadataOf(parts, extended),
    report: () => Promise.resolve(metadataOf(parts, extended)),
    putMetadata: (key, value) => extended.set(key, value),
    notReady() {
      const missing: string[] = [];
      if (!parts.state.listening) missing.push('api');
      if (!parts.state.appReady) missing.push('app');
      if (parts.state.stopping) missing.push('stopping');
      return missing;
    },
    outboundReady: () => parts.state.listening,
    shutdown: parts.shutdown,
  };
}

function metadataOf(parts: RuntimeBlockParts, extended: ReadonlyMap<string, string>): RuntimeMetadata {
  const { spec, configuration, components } = parts;
  return {
    id: spec.id,
    runtimeVersion: parts.version,
    // The last one is not a feature to switch on: clients look there for the single crypto operations, which not every build of Dapr has.
    enabledFeatures: [...Object.entries(configuration.features).flatMap(([name, enabled]) => (enabled ? [name] : [])), '_SubtleCrypto'],
    components: components.all().map((component) => {
      const { name, type, version } = component;
      return { name, type, version, capabilities: capabilitiesOf(component) };
    }),
    extended: { daprRuntimeVersion: parts.version, ...Object.fromEntries(extended) },
    subscriptions: parts.subscriptions(),
    httpEndpoints: parts.httpEndpoints(),
    resiliencies: parts.resiliencies,
    workflowAccessPolicies: parts.workflowAccess(),
    workflowWorkers: parts.workflowWorkers(),
    ...actorsOf(parts.actors()),
    appConnection: connectionOf(parts),
  };
}

function actorsOf({ types, ready }: ActiveActors): Pick<RuntimeMetadata, 'actors'> {
  return types.length === 0 ? {} : { actors: { ready, active: types.map(({ type, count }) => ({ type, count })) } };
}

/** What this component can do, which its settings or its server may make less than its driver could. */
function capabilitiesOf({ driver, definition }: Component<DriverKind>): readonly string[] {
  const capabilities: readonly string[] = 'capabilities' in driver ? driver.capabilities : definition.capabilities;
  const actors =
    definition.kind === 'state' &&
    capabilities.includes('ETAG') &&
    capabilities.includes('TRANSACTIONAL') &&
    !capabilities.includes('ACTOR');
  return actors ? [...capabilities, 'ACTOR'] : capabilities;
}

function portOf({ address }: AppChannel): number {
  return Number(address.slice(address.lastIndexOf(':') + 1)) || 0;
}

function connectionOf({ spec, state }: RuntimeBlockParts): RuntimeMetadata['appConnection'] {
  const port = state.channel === undefined ? spec.appPort : portOf(state.channel);
  return {
    ...(port === undefined ? {} : { port }),
    protocol: spec.appProtocol,
    channelAddress: spec.appChannelAddress,
    ...(spec.appMaxConcurrency === undefined ? {} : { maxConcurrency: spec.appMaxConcurrency }),
    ...(spec.appHealth === undefined ? {} : { health: spec.appHealth }),
  };
}
