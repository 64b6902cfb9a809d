import type { Metadata } from './state.ts';

export interface ConfigurationItem {
  readonly value: string;
  readonly version: string;
  readonly metadata: Metadata;
}

export type ConfigurationItems = Readonly<Record<string, ConfigurationItem>>;

export interface ConfigurationStore {
  /** No keys: all. Missing keys are left out. */
  get(keys: readonly string[], metadata: Metadata): Promise<ConfigurationItems>;
  /** Calls back with what changed since; no keys: all. The returned function ends it. */
  subscribe(keys: readonly string[], metadata: Metadata, changed: (items: ConfigurationItems) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
