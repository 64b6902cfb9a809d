import type { Commit, CommitResult, Engine } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { type LockStore, unlockStatus } from '../../contracts/lock.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import { tuple } from '../../kernel/tuple.ts';

export interface EngineLocksOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly namespace: string;
  readonly space: string;
}

const triesMax = 5;

/**
 * Locks over the engine. A lock is a key that holds its owner and expires by the engine's clock; whoever commits it while it is absent has it, in one commit
 * without a read. The version of that commit is the fencing token: versions of a key only rise, over deletes, expiry and restarts.
 */
export function createEngineLocks({ engine, random, namespace, space }: EngineLocksOptions): LockStore {
  const prefix = tuple('lock', namespace, space);
  /** Repeats a commit whose fate is unknown under its id, which tells what became of it. */
  const settle = async (commit: Commit): Promise<Exclude<CommitResult, { readonly status: 'unknown' }>> => {
    const withId = { ...commit, id: random.uuid() };
    let cause: unknown;
    for (let tries = 0; tries < triesMax; tries++) {
      const result = await engine.commit(withId);
      if (result.status !== 'unknown') return result;
      cause = result.cause;
    }
    throw outcomeUnknown('the lock may or may not have changed hands', cause);
  };
  return {
    async tryLock(resource, owner, expirySeconds) {
      const key = prefix + tuple(resource);
      const result = await settle({
        if: [{ kind: 'version', key, version: 0 }],
        put: [{ key, value: Buffer.from(owner), expiresAtMs: engine.now() + expirySeconds * 1000 }],
      });
      return result.status === 'done' ? { success: true, fencingToken: result.versions[0] as number } : { success: false };
    },
    async unlock(resource, owner) {
      const key = prefix + tuple(resource);
      for (let tries = 0; tries < triesMax; tries++) {
        const entry = await engine.get(key);
        if (entry === undefined) return unlockStatus.doesNotExist;
        if (Buffer.from(entry.value).toString('utf8') !== owner) return unlockStatus.belongsToOthers;
        const result = await settle({ if: [{ kind: 'version', key, version: entry.version }], delete: [key] });
        if (result.status === 'done') return unlockStatus.success;
      }
      throw new ProaError('overloaded', `the lock changed hands ${triesMax} times while it was released`);
    },
    close: async () => {},
  };
}
