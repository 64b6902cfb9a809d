import {
  checkLinearizable,
  type Operation,
  type RegisterInput,
  type RegisterOutput,
  registerModel,
} from '../../src/testing/linearizability.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Step = Mutable<Operation<RegisterInput, RegisterOutput>>;

/** What clients asked of the cluster and what they were told; judged at the end. */
export class History {
  readonly problems: string[] = [];
  readonly counts = { operations: 0, acknowledged: 0, indeterminate: 0, published: 0, delivered: 0, repeated: 0, appended: 0 };
  readonly #steps = new Map<string, Step[]>();
  /** Numbers that were acknowledged, per key of the topic, in the order of publishing. */
  readonly #published = new Map<string, number[]>();
  readonly #sent = new Set<string>();
  readonly #delivered = new Map<string, Map<string, number[]>>();
  readonly #appended = new Map<number, string>();
  #instant = 0;

  /** Runs one operation on a key. `work` answers the output, or undefined when nobody knows whether it happened; a read of which that is said is dropped. */
  async operation(key: string, input: RegisterInput, work: () => Promise<RegisterOutput | undefined>): Promise<RegisterOutput | undefined> {
    const step: Step = { input, output: undefined, calledAt: ++this.#instant, returnedAt: Infinity };
    const steps = this.#steps.get(key) ?? [];
    this.#steps.set(key, steps);
    if (input.kind !== 'read') steps.push(step);
    this.counts.operations++;
    const output = await work();
    if (output === undefined) {
      this.counts.indeterminate++;
      return undefined;
    }
    this.counts.acknowledged++;
    step.output = output;
    step.returnedAt = ++this.#instant;
    if (input.kind === 'read') steps.push(step);
    return output;
  }

  sending(key: string, number: number): void {
    this.#sent.add(`${key} ${number}`);
  }

  published(key: string, number: number): void {
    this.counts.published++;
    this.#published.set(key, [...(this.#published.get(key) ?? []), number]);
  }

  delivered(group: string, key: string, number: number): void {
    this.counts.delivered++;
    if (!this.#sent.has(`${key} ${number}`)) this.problems.push(`group ${group} got ${key} ${number}, which nobody published`);
    const groups = this.#delivered.get(group) ?? new Map<string, number[]>();
    this.#delivered.set(group, groups);
    const numbers = groups.get(key) ?? [];
    groups.set(key, numbers);
    if (numbers.includes(number)) this.counts.repeated++;
    else numbers.push(number);
  }

  appended(sequence: number, text: string): void {
    this.counts.appended++;
    const other = this.#appended.get(sequence);
    if (other !== undefined && other !== text) this.problems.push(`sequence ${sequence} was given to ${other} and to ${text}`);
    this.#appended.set(sequence, text);
  }

  /** One page of a log as a reader saw it. */
  readLog(after: number, entries: readonly { readonly sequence: number; readonly text: string }[]): void {
    for (const [i, { sequence, text }] of entries.entries()) {
      if (sequence !== after + i + 1) this.problems.push(`the log has a gap: ${sequence} instead of ${after + i + 1}`);
      const known = this.#appended.get(sequence);
      if (known !== undefined && known !== text) this.problems.push(`sequence ${sequence} reads ${text}, acknowledged was ${known}`);
    }
  }

  /** True when every group has got everything that was acknowledged to a publisher. */
  allDelivered(groups: readonly string[]): boolean {
    return groups.every((group) => this.#missing(group).length === 0);
  }

  /** Everything that is wrong, with the log as it is at the end. */
  judge(groups: readonly string[], log: readonly { readonly sequence: number; readonly text: string }[]): readonly string[] {
    for (const [key, steps] of this.#steps) {
      const verdict = checkLinearizable(steps, registerModel);
      if (verdict === 'undecided') this.problems.push(`the history of state key ${key} (${steps.length} operations) is undecided`);
      if (verdict === 'violated') this.problems.push(`the history of state key ${key} is violated: ${explain(steps)}`);
    }
    for (const group of groups) {
      const missing = this.#missing(group);
      if (missing.length > 0)
        this.problems.push(`group ${group} never got ${missing.length} acknowledged events: ${missing.slice(0, 5).join(', ')}`);
      this.#judgeOrder(group);
    }
    const texts = new Map(log.map(({ sequence, text }) => [sequence, text]));
    for (const [sequence, text] of this.#appended)
      if (texts.get(sequence) !== text) this.problems.push(`acknowledged entry ${sequence} ${text} is not in the log`);
    return this.problems;
  }

  #missing(group: string): string[] {
    const groups = this.#delivered.get(group);
    return [...this.#published].flatMap(([key, numbers]) => {
      const got = new Set(groups?.get(key));
      return numbers.filter((number) => !got.has(number)).map((number) => `${key} ${number}`);
    });
  }

  // First deliveries of what was acknowledged; the rest may have come late or never.
  #judgeOrder(group: string): void {
    for (const [key, numbers] of this.#delivered.get(group) ?? []) {
      const acknowledged = new Set(this.#published.get(key));
      const order = numbers.filter((number) => acknowledged.has(number));
      const wrong = order.findIndex((number, i) => i > 0 && number < (order[i - 1] as number));
      if (wrong > 0) this.problems.push(`group ${group} got ${key} ${order[wrong]} after ${order[wrong - 1]}`);
    }
  }
}

/** The operations around the first return that no order explains. */
function explain(steps: readonly Step[]): string {
  const instants = steps
    .map(({ returnedAt }) => returnedAt)
    .filter((at) => at !== Infinity)
    .toSorted((a, b) => a - b);
  const upTo = (at: number): Step[] =>
    steps
      .filter(({ calledAt }) => calledAt <= at)
      .map((step) => (step.returnedAt > at ? { ...step, output: undefined, returnedAt: Infinity } : step));
  let [low, high] = [0, instants.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (checkLinearizable(upTo(instants[middle] as number), registerModel) === 'violated') high = middle;
    else low = middle + 1;
  }
  const at = instants[low] as number;
  const near = upTo(at).filter(({ returnedAt }) => returnedAt > at - 100);
  return near
    .map((step) => `${step.calledAt}-${step.returnedAt} ${JSON.stringify(step.input)} gave ${JSON.stringify(step.output)}`)
    .join('; ');
}
