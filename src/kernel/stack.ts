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

function fuse(pairs: readonly Pair[], settleAt: SettleAt, next: Service<never, unknown>): Service<never, unknown> {
  if (pairs.length === 0) return next;
  return (call) => {
    const admitted: unknown[] = [];
    try {
      for (const pair of pairs) admitted.push(pair.admit?.(call as Call<unknown>));
    } catch (cause) {
      const error = ProaError.from(cause);
      settleAll(pairs, call, { ok: false, error }, admitted);
      return Promise.reject(error);
    }
    if (settleAt === 'end') {
      (call as Call<unknown>).end.listen((outcome) => settleAll(pairs, call, outcome, admitted));
      return next(call);
    }
    return settleWithResult(pairs, call, next, admitted);
  };
}

async function settleWithResult(
  pairs: readonly Pair[],
  call: Call<never>,
  next: Service<never, unknown>,
  admitted: readonly unknown[],
): Promise<unknown> {
  try {
    const result = await next(call);
    settleAll(pairs, call, succeeded, admitted);
    return result;
  } catch (cause) {
    const error = ProaError.from(cause);
    settleAll(pairs, call, { ok: false, error }, admitted);
    throw error;
  }
}

const succeeded: Outcome = { ok: true };

function settleAll(pairs: readonly Pair[], call: Call<unknown>, outcome: Outcome, admitted: readonly unknown[]): void {
  for (let i = admitted.length - 1; i >= 0; i--) pairs[i]?.settle?.(call, outcome, admitted[i]);
}
