/** One operation of a history. What never returned (`returnedAt` Infinity) may have happened at any time after the call, or not at all. */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** Undefined when it is not known. */
  readonly output: Output | undefined;
  /** Instants of one order over all operations; equal ones count as concurrent. */
  readonly calledAt: number;
  readonly returnedAt: number;
}

/** What the object under test should do, one operation at a time. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State;
  /** The state afterwards; undefined when the output cannot come from this state. An unknown output fits always. */
  step(state: State, input: Input, output: Output | undefined): { readonly state: State } | undefined;
  /** States with the same text are the same. */
  text(state: State): string;
}

/** `undecided`: the search gave up after `stepsMax`. */
export type Linearizability = 'linearizable' | 'violated' | 'undecided';

interface Node {
  readonly operation: number;
  /** The node of the matching return; undefined for a return itself. */
  readonly match: Node | undefined;
  before: Node | undefined;
  after: Node | undefined;
}

/**
 * Is there an order of the operations, each between its call and its return, that the model accepts? The algorithm of Wing and Gong with Lowe's
 * memory of (operations done, state). Histories of one key with up to a few thousand operations take well below a second.
 */
export function checkLinearizable<State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  stepsMax = 5_000_000,
): Linearizability {
  const head = linkEvents(operations);
  const seen = new Set<string>();
  const done = new Uint32Array((operations.length + 31) >> 5);
  const path: { readonly node: Node; readonly state: State }[] = [];
  let state = model.initial;
  let pending = operations.filter(({ returnedAt }) => returnedAt !== Infinity).length;
  let node = head.after;
  for (let steps = 0; pending > 0; steps++) {
    if (steps > stepsMax) return 'undecided';
    const match = node?.match;
    if (node !== undefined && match !== undefined) {
      const { input, output, returnedAt } = operations[node.operation] as Operation<Input, Output>;
      const next = model.step(state, input, output);
      if (next !== undefined && remember(seen, flip(done, node.operation), model.text(next.state))) {
        path.push({ node, state });
        state = next.state;
        lift(node, match);
        if (returnedAt !== Infinity) pending--;
        node = head.after;
      } else {
        if (next !== undefined) flip(done, node.operation);
        node = node.after;
      }
      continue;
    }
    // A return whose call was not taken, or the end: what was taken last was wrong.
    const last = path.pop();
    if (last === undefined) return 'violated';
    state = last.state;
    flip(done, last.node.operation);
    if ((operations[last.node.operation] as Operation<Input, Output>).returnedAt !== Infinity) pending++;
    unlift(last.node, last.node.match as Node);
    node = last.node.after;
  }
  return 'linearizable';
}

function linkEvents(operations: readonly Operation<unknown, unknown>[]): Node {
  const events = operations.flatMap(({ calledAt, returnedAt }, operation) => {
    const end: Node = { operation, match: undefined, before: undefined, after: undefined };
    const call: Node = { operation, match: end, before: undefined, after: undefined };
    return [
      { at: calledAt, isCall: 0, node: call },
      { at: returnedAt, isCall: 1, node: end },
    ];
  });
  // Calls first among equals, and what never returned at the very end.
  events.sort((a, b) => (a.at === b.at ? a.isCall - b.isCall : a.at - b.at));
  const head: Node = { operation: -1, match: undefined, before: undefined, after: undefined };
  let last = head;
  for (const { node } of events) {
    last.after = node;
    node.before = last;
    last = node;
  }
  return head;
}

/** Marks or unmarks an operation; answers the marks. */
function flip(done: Uint32Array, operation: number): Uint32Array {
  done[operation >> 5] = ((done[operation >> 5] as number) ^ (1 << (operation & 31))) >>> 0;
  return done;
}

/** False when it was seen before. */
function remember(seen: Set<string>, done: Uint32Array, state: string): boolean {
  const key = `${Buffer.from(done.buffer, done.byteOffset, done.byteLength).toString('latin1')}|${state}`;
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

function lift(call: Node, end: Node): void {
  for (const node of [call, end]) {
    if (node.before !== undefined) node.before.after = node.after;
    if (node.after !== undefined) node.after.before = node.before;
  }
}

function unlift(call: Node, end: Node): void {
  for (const node of [end, call]) {
    if (node.before !== undefined) node.before.after = node;
    if (node.after !== undefined) node.after.before = node;
  }
}

/** A register that is written, read, and changed when it holds what the writer expects. Values are texts; undefined: nothing. */
export type RegisterInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: string | undefined }
  | { readonly kind: 'change'; readonly from: string | undefined; readonly to: string | undefined };

/** `value` of a read; `changed` of a change. */
export interface RegisterOutput {
  readonly value?: string | undefined;
  readonly changed?: boolean;
}

/** The model of one key of a state store. */
export const registerModel: SequentialModel<string | undefined, RegisterInput, RegisterOutput> = {
  initial: undefined,
  step(state, input, output) {
    if (input.kind === 'write') return { state: input.value };
    if (input.kind === 'read') return output === undefined || output.value === state ? { state } : undefined;
    const changes = state === input.from;
    if (output !== undefined && output.changed !== changes) return undefined;
    return { state: changes ? input.to : state };
  },
  text: (state) => (state === undefined ? '' : `=${state}`),
};
