import type { GenericSchema, InferOutput } from 'valibot';
import type { Logger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import type { InputBinding, OutputBinding } from './binding.ts';
import type { ConfigurationStore } from './configuration.ts';
import type { CryptoProvider } from './crypto.ts';
import type { Engine } from './engine.ts';
import type { HttpClient } from './http-client.ts';
import type { LockStore } from './lock.ts';
import type { HttpMiddleware } from './middleware.ts';
import type { PubSub } from './pubsub.ts';
import type { Registry } from './resolver.ts';
import type { SecretStore } from './secrets.ts';
import type { StateStore } from './state.ts';

/** What a driver of each kind opens. `bindings` may answer one or both directions. */
export interface DriverKinds {
  state: StateStore;
  pubsub: PubSub;
  bindings: { readonly input?: InputBinding; readonly output?: OutputBinding; close(): Promise<void> };
  secretstores: SecretStore;
  configuration: ConfigurationStore;
  lock: LockStore;
  crypto: CryptoProvider;
  middleware: HttpMiddleware;
  /** Chosen by `spec.nameResolution` of a Configuration, not by a component. */
  nameresolution: Registry;
}

export type DriverKind = keyof DriverKinds;

/** What a driver is given. It must not reach for anything else of its surroundings. */
export interface DriverContext {
  readonly ports: Ports;
  readonly log: Logger;
  /** The component's name in its YAML. */
  readonly name: string;
  /** `spec.version` of the component: one of the driver's `versions`. */
  readonly version: string;
  readonly appId: string;
  readonly namespace: string;
  /** A client for servers outside; one pool of connections per process. */
  readonly http: HttpClient;
  /** The machine's engine; opened on first use. */
  engine(): Promise<Engine>;
}

/** One driver: a folder below `drivers/`, whose `index.ts` exports this as its default. */
export interface DriverDefinition<Kind extends DriverKind = DriverKind, Schema extends GenericSchema = GenericSchema> {
  readonly kind: Kind;
  /** As in component YAML, for example `state.in-memory`. Several names may mean the same driver. */
  readonly types: readonly string[];
  readonly versions: readonly string[];
  readonly status: 'stable' | 'beta' | 'alpha';
  /** Closed per kind (`StateCapability` ...): decides suite sections, the metadata API and which methods must exist. */
  readonly capabilities: readonly string[];
  /** A strict object over texts (`kernel/schema`); its keys are matched without regard to case. */
  readonly config: Schema;
  /** Properties that the schema does not name are handed over too when true (free-form metadata). */
  readonly openProperties?: boolean;
  /** What it holds lives in the memory of one process; a host with several workers refuses it. */
  readonly perProcess?: true;
  open(config: InferOutput<Schema>, context: DriverContext): Promise<DriverKinds[Kind]>;
}

/** Gives a definition its types. */
export function defineDriver<Kind extends DriverKind, Schema extends GenericSchema>(
  definition: DriverDefinition<Kind, Schema>,
): DriverDefinition<Kind, Schema> {
  return definition;
}
