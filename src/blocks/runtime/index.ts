import type { SubscriptionSpec } from '../../contracts/app-channel.ts';

/** What the metadata API reports (Dapr reference 4.10). */
export interface RuntimeMetadata {
  readonly id: string;
  readonly runtimeVersion: string;
  readonly enabledFeatures: readonly string[];
  readonly components: readonly { name: string; type: string; version: string; capabilities: readonly string[] }[];
  readonly extended: Readonly<Record<string, string>>;
  readonly subscriptions: readonly SubscriptionSpec[];
  readonly httpEndpoints: readonly string[];
  readonly appConnection?: {
    readonly port: number;
    readonly protocol: string;
    readonly channelAddress: string;
    readonly maxConcurrency?: number;
    readonly health?: { path: string; intervalMs: number; timeoutMs: number; threshold: number };
  };
}

/** The runtime about itself: metadata, health, shutdown (Dapr reference 3, 4.10, 11.1). */
export interface RuntimeBlock {
  metadata(): RuntimeMetadata;
  putMetadata(key: string, value: string): void;
  /** Names of targets that are not ready; empty when ready. */
  notReady(): readonly string[];
  outboundReady(): boolean;
  /** `force` ends the process with code 1 without draining. Returns at once; the process ends afterwards. */
  shutdown(force: boolean): void;
}
