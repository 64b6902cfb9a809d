import { expect, it } from 'vitest';
import type { ForkOptions, Listener, ProcessPort } from '../../kernel/ports.ts';
import { silentLogger } from '../../kernel/log.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import type { HostSettings } from '../host-api.ts';
import { WorkerPool } from './pool.ts';

interface Asked {
  readonly kind: string;
  readonly id: number;
  readonly name: string;
}

/** Processes that answer whatever they are asked, and end when they are told to stop or when the test says so. */
function forks(clock: ReturnType<typeof createFakeClock>) {
  const dies: (() => void)[] = [];
  const fork = (options: ForkOptions) => {
    let die: () => void = () => {};
    const exit = new Promise<{ code: number }>((resolve) => (die = () => resolve({ code: 1 })));
    const pid = dies.push(die);
    const send = (message: unknown): void => {
      const { kind, id, name } = message as Asked;
      if (kind !== 'ask') return;
      options.received({ kind: 'answer', id });
      if (name === 'stop') die();
    };
    return { pid, exit, send, kill: die };
  };
  const socket = { address: { path: '/s' } } as Listener;
  const pool = new WorkerPool({
    clock,
    process: { fork } as unknown as ProcessPort,
    log: silentLogger,
    count: 2,
    shared: { graceMs: 1_000 } as HostSettings,
    apps: [],
    served: () => ({ apps: [], socket, own: { path: '/own' } }),
    putMetadata() {},
    answer: () => Promise.reject(new Error('nobody asks')),
    shutdown() {},
    line() {},
  });
  return { pool, dies, started: () => dies.length };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

it('starts another worker in the place of one that died, and none beside those that a restart has started meanwhile', async () => {
  const clock = createFakeClock();
  const { pool, dies, started } = forks(clock);
  await pool.start();
  expect(started()).toBe(2);
  dies[0]?.();
  await turn();
  clock.advance(100);
  await turn();
  expect(started()).toBe(3);
  dies[1]?.();
  await turn();
  await pool.alone(() => Promise.resolve());
  expect(started()).toBe(5);
  clock.advance(10_000);
  await turn();
  expect(started()).toBe(5);
  await pool.stop();
  clock.advance(10_000);
  await turn();
  expect([started(), clock.waiting]).toEqual([5, 0]);
});
