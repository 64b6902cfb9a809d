import type { AsyncLocalStorage } from 'node:async_hooks';
import { ProaError } from '../../kernel/errors.ts';
import type { Execution } from './execution.ts';

/** Tells code between `ctx` calls that it does what would differ in a replay. */
export interface Guard {
  /** Runs the code of a workflow. */
  scope<T>(execution: Execution, run: () => T): T;
  /** Runs what belongs to nobody, such as a step. */
  outside<T>(run: () => T): T;
  close(): void;
}

type Holder = Record<string, unknown>;
interface Watched {
  readonly holder: Holder;
  readonly name: string;
  readonly original: unknown;
}

/** What differs in a replay, where it is, and what to use instead. */
const suspects: readonly (readonly [path: string, instead: string])[] = [
  ['Date.now', 'ctx.now()'],
  ['performance.now', 'ctx.now()'],
  ['Math.random', 'ctx.random()'],
  ['crypto.randomUUID', 'ctx.uuid()'],
  ['crypto.getRandomValues', 'ctx.random()'],
  ['fetch', "ctx.run('name', () => fetch(...))"],
  ['setTimeout', 'ctx.sleep()'],
  ['setInterval', 'ctx.sleep() in a loop'],
  ['setImmediate', 'nothing: what is not waited for may never run'],
];

// The functions are the process's own, so the guard over them is too: one for all workers, there as long as one of them wants it.
let shared: { readonly storage: AsyncLocalStorage<Execution>; readonly restore: () => void; users: number } | undefined;

/** Watches over the code of workflows from now on: for development and tests, because following it through promises takes time. */
export function createGuard(): Guard {
  shared ??= install();
  const own = shared;
  own.users++;
  let open = true;
  return {
    scope: (execution, run) => own.storage.run(execution, run),
    outside: (run) => own.storage.exit(run),
    close() {
      if (!open) return;
      open = false;
      if (--own.users > 0) return;
      own.restore();
      if (shared === own) shared = undefined;
    },
  };
}

function install(): NonNullable<typeof shared> {
  const { AsyncLocalStorage: Storage } = process.getBuiltinModule('node:async_hooks');
  const storage = new Storage<Execution>();
  const watched = suspects.flatMap(([path, instead]) => watch(storage, path, instead));
  watched.push(...watchDate(storage));
  return {
    storage,
    users: 0,
    restore() {
      for (const { holder, name, original } of watched) holder[name] = original;
    },
  };
}

function watch(storage: AsyncLocalStorage<Execution>, path: string, instead: string): readonly Watched[] {
  const steps = path.split('.');
  const name = steps.pop() as string;
  const holder = steps.reduce<unknown>((from, step) => (from as Holder | undefined)?.[step], globalThis) as Holder | undefined;
  const original = holder?.[name];
  if (holder === undefined || typeof original !== 'function') return [];
  // A proxy: properties such as the promisified form of setTimeout are those of the original.
  holder[name] = new Proxy(original as (...args: unknown[]) => unknown, {
    apply(target, self: unknown, args: unknown[]) {
      complain(storage, `${path}()`, instead);
      return Reflect.apply(target, self, args);
    },
  });
  return [{ holder, name, original }];
}

// `new Date()` without arguments is the time; with them it is a value.
function watchDate(storage: AsyncLocalStorage<Execution>): readonly Watched[] {
  const original = globalThis.Date;
  const proxy = new Proxy(original, {
    construct(target, args: unknown[], newTarget) {
      if (args.length === 0) complain(storage, 'new Date()', 'new Date(ctx.now())');
      return Reflect.construct(target, args, newTarget) as object;
    },
    apply(target, self: unknown, args: unknown[]) {
      complain(storage, 'Date()', 'new Date(ctx.now())');
      return Reflect.apply(target, self, args) as string;
    },
  });
  const holders: readonly Holder[] = [globalThis as unknown as Holder, original.prototype as unknown as Holder];
  return holders.map((holder, i) => {
    const name = i === 0 ? 'Date' : 'constructor';
    const was = holder[name];
    holder[name] = proxy;
    return { holder, name, original: was };
  });
}

// Complaining reads the stack, and whatever formats it may ask for the time.
function complain(storage: AsyncLocalStorage<Execution>, what: string, instead: string): void {
  const execution = storage.getStore();
  if (execution === undefined) return;
  storage.exit(() => {
    const title = `workflow "${execution.title}" (${execution.instance.instanceId})`;
    const source = placeOf(new Error('here').stack);
    const message = `${title} calls ${what}${source === undefined ? '' : ` at ${source}`}, which is different when the run is replayed`;
    const hint = `use ${instead}, or do it in a step: ctx.run(name, fn)`;
    execution.fault(`${message}\nhelp: ${hint}`, source);
    throw new ProaError('workflow.nondeterministic', message, { hint });
  });
}

// The first line that is not of this file.
function placeOf(stack: string | undefined): string | undefined {
  const frames = stack?.split('\n').slice(1) ?? [];
  const own = /:\d+:\d+\)?$/;
  const file = frames.find((frame) => own.test(frame))?.replace(/^.*?\(?((?:file:\/\/)?\/[^:]+|node:[^:]+):\d+:\d+\)?$/, '$1');
  const frame = frames.find(
    (each) => own.test(each) && !each.includes(file ?? '\0') && !each.includes('Reflect.') && !each.includes('node:'),
  );
  const found = frame === undefined ? null : /([^\s()/]+\/[^\s()/]+):(\d+):\d+\)?$/.exec(frame);
  return found === null ? undefined : `${found[1]}:${found[2]}`;
}
