import { canBackUp } from '../../contracts/engine-backup.ts';
import type { Engine } from '../../contracts/engine.ts';
import type { ReadGrants } from '../../drivers/engine-socket/read-grants.ts';

/** The owner's engine, for this process and its clients: commits wait for whoever keeps what they change, everything else is the engine's own. */
export function grantedEngine(engine: Engine, grants: Pick<ReadGrants, 'commit'>): Engine {
  return {
    kind: engine.kind,
    commit: (commit) => grants.commit(commit),
    get: (key) => engine.get(key),
    ...(engine.peek !== undefined && { peek: engine.peek.bind(engine) }),
    getMany: (keys) => engine.getMany(keys),
    range: (query) => engine.range(query),
    readLog: (log, after, limit) => engine.readLog(log, after, limit),
    trim: (log, upTo) => engine.trim(log, upTo),
    acquireLease: (name, owner, ttlMs) => engine.acquireLease(name, owner, ttlMs),
    renewLease: (lease, ttlMs) => engine.renewLease(lease, ttlMs),
    releaseLease: (lease) => engine.releaseLease(lease),
    now: () => engine.now(),
    watch: (prefix, changed) => engine.watch(prefix, changed),
    onAppend: (log, appended) => engine.onAppend(log, appended),
    stats: () => engine.stats(),
    close: () => engine.close(),
    ...(canBackUp(engine) && { backup: engine.backup.bind(engine) }),
  };
}
