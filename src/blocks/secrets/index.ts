import type { Service } from '../../kernel/service.ts';
import type { Secret } from '../../contracts/secrets.ts';
import type { Metadata } from '../../contracts/state.ts';

/** Secrets with their scopes (Dapr reference 4.4, 10.5). */
export interface SecretsBlock {
  /** A secret that is not there is an error (`secrets.get`), in some stores an empty value. */
  readonly get: Service<{ readonly store: string; readonly name: string; readonly metadata: Metadata }, Secret>;
  /** What scopes deny is left out. */
  readonly bulkGet: Service<{ readonly store: string; readonly metadata: Metadata }, Readonly<Record<string, Secret>>>;
}

export { createSecretsBlock, type SecretsBlockDeps } from './secrets-block.ts';
