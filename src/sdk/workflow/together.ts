import { ProaError } from '../../kernel/errors.ts';
import type { AllOptions } from './context.ts';

type Tasks = Readonly<Record<string, unknown>> | readonly unknown[];

/** `ctx.all`: every task to its end, then the values, or the failure that came first. Functions begin when there is room, and not after a failure. */
export async function all(tasks: Tasks, { concurrency = Infinity }: AllOptions = {}): Promise<unknown> {
  if (!(concurrency >= 1)) throw new ProaError('bad-request', `concurrency is ${concurrency}; it must be 1 or more`);
  const entries = Object.entries(tasks);
  const values: Record<string, unknown> = {};
  let failure: { readonly error: unknown } | undefined;
  const settle = async (key: string, task: unknown): Promise<void> => {
    try {
      values[key] = await (typeof task === 'function' ? (task as () => unknown)() : task);
    } catch (error) {
      failure ??= { error };
    }
  };
  // What runs already is watched at once: a failure while others wait for room is no surprise to anybody.
  const running = entries.flatMap(([key, task]) => (typeof task === 'function' ? [] : [settle(key, task)]));
  const waiting = entries.filter(([, task]) => typeof task === 'function').values();
  const lane = async (): Promise<void> => {
    for (const [key, task] of waiting) if (failure === undefined) await settle(key, task);
  };
  await Promise.all([...running, ...Array.from({ length: Math.min(concurrency, entries.length) }, lane)]);
  if (failure !== undefined) throw failure.error;
  return Array.isArray(tasks) ? entries.map(([key]) => values[key]) : values;
}

/** `ctx.race`: the first one, by its name. */
export function race(tasks: Readonly<Record<string, PromiseLike<unknown>>>): Promise<{ readonly winner: string; readonly value: unknown }> {
  return Promise.race(Object.entries(tasks).map(async ([winner, task]) => ({ winner, value: await task })));
}
