import type { ErrorCode } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { HistoryEvent, StartedEvent, TurnAnswer, WorkflowInstance } from '../../contracts/workflow.ts';
import { blockedReport, divergenceReport, type Asked, type Misfit } from './divergence.ts';
import { EventBox, type Waiter } from './event-box.ts';
import { failureOf } from './failures.ts';
import { Journal } from './journal.ts';
import {
  cancelEvent,
  type AnyFunction,
  type ExecutionOptions,
  type NewAction,
  type OpenStep,
  type OperationOptions,
  type Outcome,
} from './operation.ts';
import { Outbox, type End } from './outbox.ts';
import { quiet } from './quiet.ts';
import { encodeValue } from './values.ts';

interface Pending {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: ProaError) => void;
  readonly step: OpenStep | undefined;
  /** Does not count among what the code waits for. */
  readonly aside: boolean;
}

const askedMax = 2_000;

/**
 * One run of a workflow, suspended in memory between turns. Completions are delivered one at a time, in the order of the history, and after each one everything
 * that follows from it runs until it waits again: so the same history makes the same steps, with native promises.
 */
export class Execution {
  readonly instance: Required<WorkflowInstance>;
  readonly #options: ExecutionOptions;
  readonly #journal = new Journal();
  readonly #outbox = new Outbox();
  readonly #pending = new Map<number, Pending>();
  readonly #early = new Map<number, Outcome>();
  /** Operations that were asked for after their end had passed. */
  readonly #late: number[] = [];
  readonly #events = new EventBox();
  readonly #held: HistoryEvent[] = [];
  readonly #abort = new AbortController();
  readonly #patches = new Map<string, boolean>();
  #asked: Asked[] | undefined;
  #started = false;
  #suspended = false;
  #inTurn = false;
  #stray: Misfit | undefined;
  #cancelled: ProaError | undefined;
  #unwound = false;
  #asides = 0;
  #terminated = false;
  #end: End | undefined;
  #continueWith: { readonly input: string | undefined } | undefined;
  #status: string | undefined;
  #attributes: Record<string, string> | undefined;
  /** Events that are known: past of the next turn, if everything of this one is kept. */
  seen = 0;
  clockMs = 0;
  replaying = false;

  constructor(options: ExecutionOptions) {
    this.instance = options.instance;
    this.#options = options;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Runs what is recorded again. Once, before the first turn. */
  async replay(past: readonly HistoryEvent[]): Promise<void> {
    if (past.length > 0) this.#asked = [];
    this.#journal.add(past);
    for (const { id } of past) this.#outbox.taken(id);
    this.seen = past.length;
    await this.#run(past, true);
  }

  /** Runs what is new, and answers what the code wants done. */
  async turn(news: readonly HistoryEvent[]): Promise<TurnAnswer> {
    await this.#run(news, false);
    this.seen += news.length;
    const stalled = this.misfit();
    if (stalled !== undefined) {
      const { text, ...divergence } = stalled;
      return { actions: [], stalled: { reason: 'diverged', description: text, ...(Object.keys(divergence).length > 0 && { divergence }) } };
    }
    this.#journal.settle();
    if (this.#journal.left === 0) this.#asked = undefined;
    if (this.#suspended && !this.#terminated) return this.#answer([]);
    if (this.#end !== undefined)
      this.#outbox.end(this.#end.status === 'CONTINUED_AS_NEW' ? { ...this.#end, carryover: this.#carryover() } : this.#end);
    const actions = this.#outbox.take(this.clockMs);
    // What a history keeps of them: an event each, save for messages that leave no trace.
    for (const { type } of actions) if (type !== 'terminate') this.seen++;
    return this.#answer(actions);
  }

  #answer(actions: TurnAnswer['actions']): TurnAnswer {
    const [status, attributes] = [this.#status, this.#attributes];
    this.#status = this.#attributes = undefined;
    return { actions, ...(status !== undefined && { customStatus: status }), ...(attributes !== undefined && { attributes }) };
  }

  /** Why the code does not fit its history; undefined: it does. */
  misfit(): Misfit | undefined {
    if (this.#stray !== undefined) return this.#stray;
    if (this.#terminated || this.#suspended || !this.#started) return undefined;
    // As long as the code waits for recorded operations only, it may still come to the others.
    const pending = this.#pending.size > this.#asides;
    if (this.#journal.left > 0 && (this.#end !== undefined || !pending || !this.#outbox.empty)) return this.#diverged();
    const waits = pending || !this.#outbox.empty || this.#events.awaited;
    return this.#end === undefined && !waits ? blockedReport(this.#options.program.title, this.instance) : undefined;
  }

  /** The step of an activity; undefined: no code waits for it. */
  step(id: number): OpenStep | undefined {
    return this.#pending.get(id)?.step;
  }

  /** An operation that ends later. Recorded ones answer from the record. Rejects only when the run is cancelled. */
  operation(label: string, action: NewAction, more: OperationOptions = {}): Promise<Outcome> {
    this.#mustRun(label);
    const id = this.#claim(label, action, more.from);
    more.opened?.(id);
    const promise = new Promise<Outcome>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, step: more.step, aside: more.aside === true });
    });
    if (more.aside === true) this.#asides++;
    if (this.#early.has(id)) this.#late.push(id);
    promise.catch(nothing);
    return promise;
  }

  /** An operation that is done when it is recorded. Answers its id. */
  note(label: string, action: NewAction, from?: AnyFunction): number {
    this.#mustRun(label);
    return this.#claim(label, action, from);
  }

  /** An action that leaves no trace in the history: not taken again in replays. */
  aside(action: NewAction): void {
    if (!this.replaying) this.#outbox.add(action);
  }

  /** Whether an event of that name waits for somebody. */
  hasEvent(name: string): boolean {
    return this.#events.has(name);
  }

  /** The code did what would not be the same in a replay: the run stalls, whatever becomes of this turn. */
  fault(text: string, source: string | undefined): void {
    this.#stray ??= { text, ...(source !== undefined && { source }) };
  }

  get title(): string {
    return this.#options.program.title;
  }

  /** Waits for an event that came before or comes later. Answers how to wait no longer. */
  wait(name: string, waiter: Waiter): () => void {
    this.#mustRun(`waitFor ${name}`);
    return this.#events.wait(name, waiter);
  }

  patched(id: string): boolean {
    const known = this.#patches.get(id);
    if (known !== undefined) return known;
    const label = `patch ${id}`;
    const recorded = this.#journal.claim(label) !== undefined;
    if (!recorded && !this.replaying) this.#outbox.add({ type: 'record', name: label, value: 'true' });
    const is = recorded || !this.replaying;
    this.#patches.set(id, is);
    return is;
  }

  continueAsNew(input: string | undefined): void {
    this.#mustRun('continueAsNew');
    this.#continueWith = { input };
  }

  setStatus(status: string): void {
    if (!this.replaying) this.#status = status;
  }

  setAttributes(attributes: Readonly<Record<string, string>>): void {
    if (!this.replaying) this.#attributes = { ...this.#attributes, ...attributes };
  }

  warn(message: string): void {
    if (!this.replaying) this.#options.warn?.(message);
  }

  /** Gives everything up that is waited for; code that runs afterwards may do more. Once. */
  cancel(code: ErrorCode, message: string): void {
    if (this.#cancelled !== undefined || this.#end !== undefined) return;
    const error = new ProaError(code, message);
    this.#cancelled = error;
    this.#abort.abort(error);
  }

  get cancelled(): boolean {
    return this.#cancelled !== undefined;
  }

  async #run(events: readonly HistoryEvent[], replaying: boolean): Promise<void> {
    this.replaying = replaying;
    this.#inTurn = true;
    try {
      for (const event of events) {
        if (this.#end === undefined) await this.#receive(event);
        // The next run may want it.
        else if (event.type === 'eventRaised') this.#events.add(event.name, event.input);
      }
    } finally {
      this.#inTurn = false;
    }
  }

  async #receive(event: HistoryEvent): Promise<void> {
    if (event.type === 'workflowStarted') this.clockMs = event.timeMs;
    else if (event.type === 'executionTerminated') this.#terminate(event.input);
    else if (event.type === 'executionSuspended') this.#suspended = true;
    else if (event.type === 'executionResumed') {
      this.#suspended = false;
      for (const held of this.#held.splice(0)) await this.#deliver(held);
    } else if (this.#suspended) this.#held.push(event);
    else await this.#deliver(event);
  }

  async #deliver(event: HistoryEvent): Promise<void> {
    switch (event.type) {
      case 'executionStarted':
        this.#begin(event);
        break;
      case 'taskCompleted':
      case 'childCompleted':
        this.#settle(event.scheduledId, { result: event.result });
        break;
      case 'taskFailed':
      case 'childFailed':
        this.#settle(event.scheduledId, { failure: event.failure });
        break;
      case 'timerFired':
        this.#settle(event.timerId, { result: undefined });
        break;
      case 'eventRaised':
        if (event.name.toLowerCase() === cancelEvent) this.cancel('cancelled', cancelText(event.input));
        else this.#events.add(event.name, event.input);
        break;
      default:
        return;
    }
    await this.#settleDown();
  }

  // Until nothing is left that could run before the next event of the history.
  async #settleDown(): Promise<void> {
    for (;;) {
      await quiet();
      if (this.#end !== undefined) return;
      if (this.#cancelled !== undefined && !this.#unwound) await this.#unwind(this.#cancelled);
      const id = this.#late.shift();
      if (id !== undefined) this.#settle(id, this.#early.get(id) as Outcome);
      else if (!(await this.#events.deliverOne())) return;
    }
  }

  // What waits is given up in the order in which it was asked for.
  async #unwind(error: ProaError): Promise<void> {
    this.#unwound = true;
    for (const [id, { reject, aside }] of [...this.#pending].sort(([a], [b]) => a - b)) {
      if (!this.#pending.delete(id)) continue;
      if (aside) this.#asides--;
      reject(error);
      await quiet();
    }
    for (const { reject } of this.#events.takeWaiters()) {
      reject(error);
      await quiet();
    }
  }

  #settle(id: number, outcome: Outcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      if (this.#journal.isUnclaimed(id)) this.#early.set(id, outcome);
      return;
    }
    this.#pending.delete(id);
    this.#early.delete(id);
    if (pending.aside) this.#asides--;
    pending.resolve(outcome);
  }

  #begin(started: StartedEvent): void {
    if (this.#started) return;
    this.#started = true;
    const { program, scope = (_, run) => run() } = this.#options;
    void scope(this, () => program.main(started, this)).then(
      (value) => this.#ended(() => this.#completion(value)),
      (error: unknown) => this.#ended(() => this.#failed(error)),
    );
  }

  #ended(make: () => End): void {
    if (this.#end !== undefined) return;
    if (!this.#inTurn) this.#strayed('the end of the function');
    else this.#end = make();
  }

  #completion(value: unknown): End {
    if (this.#continueWith !== undefined) return { status: 'CONTINUED_AS_NEW', result: this.#continueWith.input, carryover: [] };
    try {
      return { status: 'COMPLETED', result: encodeValue(value, 'the result of the workflow') };
    } catch (error) {
      return { status: 'FAILED', failure: failureOf(error) };
    }
  }

  #failed(error: unknown): End {
    return { status: this.#cancelled?.code === 'cancelled' ? 'CANCELED' : 'FAILED', failure: failureOf(error) };
  }

  #terminate(input: string | undefined): void {
    this.#terminated = true;
    this.#outbox.clear();
    this.#end = { status: 'TERMINATED', result: input };
    this.#abort.abort(new ProaError('workflow.terminated', 'the workflow was terminated'));
  }

  #claim(label: string, action: NewAction, from: AnyFunction | undefined): number {
    const recorded = this.#journal.claim(label);
    if (this.#asked !== undefined && this.#asked.length < askedMax) this.#asked.push(askedFor(label, recorded?.id, from));
    return recorded?.id ?? this.#outbox.add(action);
  }

  #carryover(): readonly HistoryEvent[] {
    return this.#events.left().map(({ name, payload }) => ({
      ...{ id: -1, timeMs: this.clockMs, type: 'eventRaised' as const, name },
      ...(payload !== undefined && { input: payload }),
    }));
  }

  #mustRun(what: string): void {
    if (this.#inTurn) return;
    throw this.#strayed(what);
  }

  #strayed(what: string): ProaError {
    const message = `workflow "${this.#options.program.title}" (${this.instance.instanceId}) came to "${what}" after waiting for something that is not recorded`;
    this.#stray ??= { text: `${message}\nhelp: wait only for what ctx gives; put everything else into ctx.run` };
    return new ProaError('workflow.nondeterministic', message);
  }

  #diverged(): Misfit {
    return divergenceReport({
      title: this.#options.program.title,
      instance: this.instance,
      recorded: this.#journal.path(),
      asked: this.#asked ?? [],
      ended: this.#end !== undefined,
    });
  }
}

// The frames are kept, their text is made only when somebody reads it.
function askedFor(label: string, id: number | undefined, from: AnyFunction | undefined): Asked {
  const holder: { stack?: string } = {};
  if (from !== undefined) Error.captureStackTrace(holder, from);
  return { label, id, where: holder };
}

function cancelText(input: string | undefined): string {
  const reason = input === undefined ? undefined : (JSON.parse(input) as unknown);
  return typeof reason === 'string' && reason !== '' ? `the workflow was cancelled: ${reason}` : 'the workflow was cancelled';
}

function nothing(): void {}
