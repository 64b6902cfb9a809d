import type { Service } from '../../kernel/service.ts';
import type { UnlockStatus } from '../../contracts/lock.ts';

/** Distributed locks (Dapr reference 4.4). `fencingToken` is Proa's addition. */
export interface LockBlock {
  readonly tryLock: Service<
    { readonly store: string; readonly resourceId: string; readonly lockOwner: string; readonly expirySeconds: number },
    { readonly success: boolean; readonly fencingToken?: number }
  >;
  readonly unlock: Service<{ readonly store: string; readonly resourceId: string; readonly lockOwner: string }, UnlockStatus>;
}

export { createLockBlock, type LockDeps } from './lock-block.ts';
