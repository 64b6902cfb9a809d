import type { Engine } from '../../contracts/engine.ts';

/**
 * The engine, telling `away` of every commit whose outcome is not known and of every operation that failed: something may be in the engine that nobody here
 * heard of. In one place, because whoever makes a commit can forget to look at what became of it. Answers are passed on as they come.
 */
export function watchedEngine(engine: Engine, away: () => void): Engine {
  const told = <T>(answer: Promise<T>): Promise<T> => {
    answer.catch(away);
    return answer;
  };
  return {
    kind: engine.kind,
    commit(commit) {
      const answer = engine.commit(commit);
      answer.then(({ status }) => {
        if (status === 'unknown') away();
      }, away);
      return answer;
    },
    get: (key) => told(engine.get(key)),
    ...(engine.peek !== undefined && { peek: engine.peek.bind(engine) }),
    getMany: (keys) => told(engine.getMany(keys)),
    range: (query) => told(engine.range(query)),
    readLog: (log, after, limit) => told(engine.readLog(log, after, limit)),
    trim: (log, upTo) => told(engine.trim(log, upTo)),
    acquireLease: (name, owner, ttlMs) => told(engine.acquireLease(name, owner, ttlMs)),
    renewLease: (lease, ttlMs) => told(engine.renewLease(lease, ttlMs)),
    releaseLease: (lease) => told(engine.releaseLease(lease)),
    now: () => engine.now(),
    watch: (prefix, changed) => engine.watch(prefix, changed),
    onAppend: (log, appended) => engine.onAppend(log, appended),
    stats: () => engine.stats(),
    close: () => engine.close(),
  };
}
