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
  /** Writes items; their versions change. For stores that Proa keeps itself: vendors' stores are written with their own tools. */
  put?(items: Readonly<Record<string, { readonly value: string; readonly metadata?: Metadata }>>): Promise<void>;
  /** Removes items; missing ones are fine. Subscribers hear of a removed item as one with empty value and version. */
  remove?(keys: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
