import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../kernel/ports.ts';

/** How a command ended. `refused`: the server said no. `lost`: the connection broke, or there was no answer in time. `unsent`: there was no connection. */
export type RedisOutcome<T> =
  | { readonly status: 'done'; readonly value: T }
  | { readonly status: 'refused' | 'lost' | 'unsent'; readonly error: Error };

/** Knows whether a client has its connection, and ends what a broken connection would leave waiting for ever. */
export interface Readiness {
  readonly ready: boolean;
  /** The first connection: fails with the reason why there is none. */
  first(connect: () => Promise<void>, timeoutMs: number): Promise<void>;
  /** Resolves when there is a connection; fails after `timeoutMs` with the last reason why not. */
  wait(timeoutMs: number): Promise<void>;
  /** Runs a command that has a connection. */
  within<T>(timeoutMs: number, send: () => Promise<T>): Promise<RedisOutcome<T>>;
  close(): void;
}

/** Follows the events of a client. */
export function createReadiness(redis: Redis | Cluster, clock: Clock): Readiness {
  let reason = new Error('the connection broke');
  const waiting = new Set<{ ready(): void; fail(error: Error): void }>();
  const inFlight = new Set<(error: Error) => void>();
  redis.on('error', (error: Error) => void (reason = error));
  redis.on('node error', (error: Error) => void (reason = error));
  redis.on('ready', () => {
    for (const one of [...waiting]) one.ready();
  });
  redis.on('close', () => {
    for (const lost of [...inFlight]) lost(new Error('the connection broke'));
  });
  const wait = (timeoutMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = clock.timer(timeoutMs, () => one.fail(reason));
      const settle = (act: () => void): void => {
        timer.cancel();
        waiting.delete(one);
        act();
      };
      const one = { ready: () => settle(resolve), fail: (error: Error) => settle(() => reject(error)) };
      waiting.add(one);
    });
  return {
    get ready() {
      return redis.status === 'ready';
    },
    wait,
    async first(connect, timeoutMs) {
      const ready = wait(timeoutMs);
      ready.catch(() => {});
      await Promise.race([
        ready,
        connect().catch((error: Error) => {
          throw isBare(error) ? reason : error;
        }),
      ]);
    },
    within: <T>(timeoutMs: number, send: () => Promise<T>) =>
      new Promise<RedisOutcome<T>>((resolve) => {
        const timer = clock.timer(timeoutMs, () => lost(new Error(`no answer within ${timeoutMs} ms`)));
        const settle = (outcome: RedisOutcome<T>): void => {
          timer.cancel();
          inFlight.delete(lost);
          resolve(outcome);
        };
        const lost = (error: Error): void => settle({ status: 'lost', error });
        inFlight.add(lost);
        send().then(
          (value) => settle({ status: 'done', value }),
          (error: Error) => settle({ status: statusOf(error), error }),
        );
      }),
    close() {
      for (const one of [...waiting]) one.fail(new Error('the component is closed'));
    },
  };
}

/** Without its queue, ioredis refuses a command that it cannot write. */
function statusOf({ name, message }: Error): 'refused' | 'lost' | 'unsent' {
  if (name === 'ReplyError') return 'refused';
  return message.includes('enableOfflineQueue') ? 'unsent' : 'lost';
}

/** ioredis rejects `connect` without the reason, which came as an event before. */
function isBare(error: Error): boolean {
  return error.message === 'Connection is closed.' || error.message.startsWith('None of startup nodes');
}
