import type { Service } from '../../kernel/service.ts';
import type { ConfigurationItems } from '../../contracts/configuration.ts';
import type { Metadata } from '../../contracts/state.ts';
export type { ConfigurationItems } from '../../contracts/configuration.ts';

export interface ConfigurationQuery {
  readonly store: string;
  readonly keys: readonly string[];
  readonly metadata: Metadata;
}

/** Configuration stores (Dapr reference 4.4, 5.8). */
export interface ConfigurationBlock {
  readonly get: Service<ConfigurationQuery, ConfigurationItems>;
  /** Subscribes and answers the id. `push` receives each change until unsubscribed; without it the app channel does (`app-channel-nil` when there is none). */
  readonly subscribe: Service<ConfigurationQuery & { readonly push?: (id: string, items: ConfigurationItems) => void }, string>;
  readonly unsubscribe: Service<{ readonly store: string; readonly id: string }, { readonly ok: boolean; readonly message?: string }>;
  /** Writes and removes items of a store that Proa keeps itself; `unimplemented` for a vendor's. For the admin API; apps cannot reach it. */
  readonly put: Service<{ readonly store: string; readonly items: Readonly<Record<string, NewConfigurationItem>> }, void>;
  readonly remove: Service<{ readonly store: string; readonly keys: readonly string[] }, void>;
  /** The app is not well: changes that it should hear of wait, the last value of each key. */
  pause(): void;
  /** The app is back: what waited is delivered. */
  resume(): void;
  /** Ends all subscriptions. */
  close(): Promise<void>;
}

export interface NewConfigurationItem {
  readonly value: string;
  readonly metadata?: Metadata;
}

export { createConfigurationBlock, type ConfigurationDeps } from './configuration-block.ts';
