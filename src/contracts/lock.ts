/** As the API prints them: SUCCESS, LOCK_DOES_NOT_EXIST, LOCK_BELONGS_TO_OTHERS, INTERNAL_ERROR. */
export const unlockStatus = { success: 0, doesNotExist: 1, belongsToOthers: 2, internalError: 3 } as const;
export type UnlockStatus = (typeof unlockStatus)[keyof typeof unlockStatus];

export interface LockStore {
  /**
   * Takes the lock for `expirySeconds` when it is free or expired. A holder that asks again does not get it (Dapr's rule). `fencingToken` rises with every grant
   * of the resource; whoever guards the resource refuses smaller ones. Undefined where the store has none.
   */
  tryLock(resource: string, owner: string, expirySeconds: number): Promise<{ success: boolean; fencingToken?: number }>;
  unlock(resource: string, owner: string): Promise<UnlockStatus>;
  close(): Promise<void>;
}
