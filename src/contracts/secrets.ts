import type { Metadata } from './state.ts';

export type SecretCapability = 'MULTIPLE_KEY_VALUES_PER_SECRET';

/** A secret: one value under its own name, or several pairs (MULTIPLE_KEY_VALUES_PER_SECRET). */
export type Secret = Readonly<Record<string, string>>;

export interface SecretStore {
  readonly capabilities: readonly SecretCapability[];
  /** A secret that is not there is read as an empty value, not as an error (Dapr's `local.env`). */
  readonly absentIsEmpty?: boolean;
  /** Undefined when there is no such secret. */
  get(name: string, metadata: Metadata): Promise<Secret | undefined>;
  bulkGet(metadata: Metadata): Promise<Readonly<Record<string, Secret>>>;
  ping?(): Promise<void>;
  close(): Promise<void>;
}
