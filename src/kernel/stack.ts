import { isAnswered } from './answered.ts';
import type { Call, Outcome } from './call.ts';
import { ProaError } from './errors.ts';
import type { Filter, Service } from './service.ts';

/**
 * A synchronous filter: `admit` runs on the way in and refuses by throwing; what it returns is handed to `settle`, which
 * runs exactly once for every admitted call. Neighbouring pairs are fused into one wrapper, so a pair costs two function calls.
 */
export interface Pair {
  admit?(call: Call<unknown>): unknown;
  settle?(call: Call<unknown>, outcome: Outcome, admitted: unknown): void;
}

/** One position of a stack: what stands there, why it stands there, and (for `explain`) with which parameters. */
export type Layer = {
  readonly role: string;
  readonly why: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Where each parameter was written. */
  readonly origins?: Readonly<Record<string, string>>;
} & ({ readonly pair: Pair } | { readonly filter: Filter<never, unknown> });

/** Lets a filter of any shape stand in a layer; the stack is compiled over a service of that shape. */
export function layerFilter<In, Out>(filter: Filter<In, Out>): Filter<never, unknown> {
  return filter as unknown as Filter<never, unknown>;
}

/**
 * When a pair settles: `result` as soon as the answer is there (calls whose answer is a value), `end` at the last byte of
 * a streamed answer (`call.end`).
 */
export type SettleAt = 'result' | 'end';

export interface Stack {
  readonly layers: readonly Layer[];
  readonly settleAt: SettleAt;
  /** Builds the service once for a target; requests never look layers up. */
  over<In, Out>(service: Service<In, Out>): Service<In, Out>;
}

/** Checks the order (outermost first): a role twice, or one that `order` does not know or places elsewhere, is an error of the programmer. */
export function createStack(order: readonly string[], layers: readonly Layer[], settleAt: SettleAt): Stack {
  let last = -1;
  for (const layer of layers) {
    const position = order.indexOf(layer.role);
    if (position < 0) throw new ProaError('internal', `stack role "${layer.role}" has no place in the order`);
    if (position === last) throw new ProaError('internal', `stack role "${layer.role}" stands twice`);
    if (position < last) throw new ProaError('internal', `stack role "${layer.role}" stands too far inside`);
    last = position;
  }
  return { layers, settleAt, over: (service) => compile(layers, settleAt, service) };
}

function compile<In, Out>(layers: readonly Layer[], settleAt: SettleAt, service: Service<In, Out>): Service<In, Out> {
  let inner = service as Service<never, unknown>;
  let run: Pair[] = [];
  for (let i = layers.length - 1; i >= 0; i--) {
    const layer = layers[i] as Layer;
    if ('pair' in layer) {
      run.unshift(layer.pair);
      continue;
    }
    inner = layer.filter(fuse(run, settleAt, inner)) as Service<never, unknown>;
    run = [];
  }
  return fuse(run, settleAt, inner) as Service<In, Out>;
}

// One wrapper per run of pairs, made for their number: most stacks have one pair, and a call of theirs costs no list.
function fuse(pairs: readonly Pair[], settleAt: SettleAt, next: Service<never, unknown>): Service<never, unknown> {
  if (pairs.length === 0) return next;
  const [only] = pairs;
  const admitAll = pairs.length === 1 ? admitOne(only as Pair) : admitEach(pairs);
  const settleAll = pairs.length === 1 ? settleOne(only as Pair) : settleEach(pairs);
  if (settleAt === 'result') return settlingWithResult(admitAll, settleAll, next);
  return (call) => {
    let admitted: unknown;
    try {
      admitted = admitAll(call);
    } catch (thrown) {
      return Promise.reject(thrown as ProaError);
    }
    (call as Call<unknown>).end.listen((outcome) => settleAll(call, outcome, admitted));
    return next(call);
  };
}

/** Admits to every pair or to none: when one refuses, those before it are settled and the refusal is thrown as a ProaError. */
type Admit = (call: Call<unknown>) => unknown;
type Settle = (call: Call<unknown>, outcome: Outcome, admitted: unknown) => void;

function admitOne(pair: Pair): Admit {
  return (call) => {
    try {
      return pair.admit?.(call);
    } catch (cause) {
      throw ProaError.from(cause);
    }
  };
}

function settleOne(pair: Pair): Settle {
  return (call, outcome, admitted) => pair.settle?.(call, outcome, admitted);
}

function admitEach(pairs: readonly Pair[]): Admit {
  const settle = settleEach(pairs);
  return (call) => {
    const admitted: unknown[] = [];
    try {
      for (const pair of pairs) admitted.push(pair.admit?.(call));
      return admitted;
    } catch (cause) {
      const error = ProaError.from(cause);
      settle(call, { ok: false, error }, admitted);
      throw error;
    }
  };
}

function settleEach(pairs: readonly Pair[]): Settle {
  return (call, outcome, admitted) => {
    const values = admitted as readonly unknown[];
    for (let i = values.length - 1; i >= 0; i--) pairs[i]?.settle?.(call, outcome, values[i]);
  };
}

function settlingWithResult(admitAll: Admit, settleAll: Settle, next: Service<never, unknown>): Service<never, unknown> {
  return (call) => {
    let admitted: unknown;
    try {
      admitted = admitAll(call);
    } catch (thrown) {
      return Promise.reject(thrown as ProaError);
    }
    const failed = (cause: unknown): never => {
      const error = ProaError.from(cause);
      settleAll(call, { ok: false, error }, admitted);
      throw error;
    };
    let answer: Promise<unknown>;
    try {
      answer = next(call);
    } catch (cause) {
      return Promise.reject(cause as Error).catch(failed);
    }
    if (!isAnswered(answer))
      return answer.then((result) => {
        settleAll(call, succeeded, admitted);
        return result;
      }, failed);
    settleAll(call, succeededAtOnce, admitted);
    return answer;
  };
}

const succeeded: Outcome = { ok: true };
const succeededAtOnce: Outcome = { ok: true, atOnce: true };
