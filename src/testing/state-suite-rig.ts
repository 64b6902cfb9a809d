import type { StateSet, StateStore } from '../contracts/state.ts';

/** One store under test, empty, and the means to let its time pass. */
export interface StateRig {
  readonly store: StateStore;
  /** Moves the store's clock. Without it the sections about expiry are left out. */
  readonly advance?: (ms: number) => Promise<void> | void;
  destroy(): Promise<void>;
}

/** Text as bytes. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** Bytes as text. */
export const textOf = (data: Uint8Array | undefined): string | undefined => data && new TextDecoder().decode(data);
/** An upsert of a text, for bulk writes and transactions. */
export const upsert = (key: string, value: string, more: Partial<StateSet> = {}): { kind: 'upsert' } & StateSet => ({
  kind: 'upsert',
  key,
  data: bytes(value),
  ...more,
});
