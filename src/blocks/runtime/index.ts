import type { ActorsBlock } from '../actors/index.ts';
import type { BindingsBlock } from '../bindings/index.ts';
import type { ConfigurationBlock } from '../configuration/index.ts';
import type { CryptoBlock } from '../crypto/index.ts';
import type { InvokeBlock } from '../invoke/index.ts';
import type { JobsBlock } from '../jobs/index.ts';
import type { LockBlock } from '../lock/index.ts';
import type { PubSubBlock } from '../pubsub/index.ts';
import type { SecretsBlock } from '../secrets/index.ts';
import type { StateBlock } from '../state/index.ts';
import type { WorkflowBlock } from '../workflow/index.ts';
import type { SubscriptionSpec } from '../../contracts/app-channel.ts';
export type { SubscriptionSpec } from '../../contracts/app-channel.ts';
export type { Counter, Histogram, Metrics as FrontMetricsSource } from '../../contracts/metrics.ts';
export type { ActiveSpan, Tracer } from '../../contracts/tracer.ts';
export type { HttpMiddleware, HttpRequest, HttpResponse } from '../../contracts/middleware.ts';

/** What the metadata API reports (Dapr reference 4.10). */
export interface RuntimeMetadata {
  readonly id: string;
  readonly runtimeVersion: string;
  readonly enabledFeatures: readonly string[];
  readonly components: readonly { name: string; type: string; version: string; capabilities: readonly string[] }[];
  readonly extended: Readonly<Record<string, string>>;
  readonly subscriptions: readonly SubscriptionSpec[];
  readonly httpEndpoints: readonly string[];
  readonly resiliencies: readonly string[];
  readonly workflowAccessPolicies: readonly string[];
  /** Work streams and workers of this process. */
  readonly workflowWorkers: number;
  /** Absent: this runtime hosts no actors. */
  readonly actors?: { readonly ready: boolean; readonly active: readonly { readonly type: string; readonly count: number }[] };
  readonly appConnection: {
    /** Absent: there is no app to call. 0: it is called without a port. */
    readonly port?: number;
    readonly protocol: string;
    readonly channelAddress: string;
    readonly maxConcurrency?: number;
    readonly health?: { path: string; intervalMs: number; timeoutMs: number; threshold: number };
  };
}

/** The runtime about itself: metadata, health, shutdown (Dapr reference 3, 4.10, 11.1). */
export interface RuntimeBlock {
  metadata(): RuntimeMetadata;
  /** The same for all processes that serve the app. */
  report(): Promise<RuntimeMetadata>;
  putMetadata(key: string, value: string): void;
  /** Names of targets that are not ready; empty when ready. */
  notReady(): readonly string[];
  outboundReady(): boolean;
  /** `force` ends the process with code 1 without draining. Returns at once; the process ends afterwards. */
  shutdown(force: boolean): void;
}

/** Everything that an app's runtime offers behind its APIs; the fronts translate to and from it. */
export interface Blocks {
  readonly invoke: InvokeBlock;
  readonly state: StateBlock;
  readonly pubsub: PubSubBlock;
  readonly bindings: BindingsBlock;
  readonly secrets: SecretsBlock;
  readonly configuration: ConfigurationBlock;
  readonly lock: LockBlock;
  readonly crypto: CryptoBlock;
  readonly jobs: JobsBlock;
  readonly workflow: WorkflowBlock;
  readonly actors: ActorsBlock;
  readonly runtime: RuntimeBlock;
}
