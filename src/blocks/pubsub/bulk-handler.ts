import type { AppBulkEvent, EventVerdict } from '../../contracts/app-channel.ts';
import type { IncomingMessage, Verdict } from '../../contracts/pubsub.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { createCall, derive, type Call } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import type { Timer } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import { afterFailure, deliverOperation, deliveryError, routeMessage, type Handler, type HandlerParts } from './handler.ts';
import type { IncomingEvent } from './incoming-event.ts';
import { ended } from './publisher.ts';

export interface BulkOptions {
  readonly maxMessages: number;
  readonly maxAwaitMs: number;
  /** The broker waits for each verdict (BULK_SUBSCRIBE_IMMEDIATE): a window would only delay it. */
  readonly immediate: boolean;
}

interface Waiting {
  readonly message: IncomingMessage;
  readonly settle: (verdict: Verdict) => void;
}

interface Entry extends Waiting {
  readonly event: IncomingEvent;
}

/** What one attempt carries: only what is not settled yet. */
interface Attempt {
  readonly path: string;
  readonly topic: string;
  pending: readonly Entry[];
}

/**
 * Gathers messages and takes them to the app in one call per route (Dapr reference 5.5). A window begins with its first message and ends when it is
 * full or its time is over. Each entry is settled by itself.
 */
export class BulkHandler implements Handler {
  readonly #parts: HandlerParts;
  readonly #options: BulkOptions;
  readonly #attempt: Service<Attempt, void>;
  readonly #scopes = new Set<CancelScope>();
  #waiting: Waiting[] = [];
  #timer: Timer | undefined;
  #closing = false;

  constructor(
    parts: HandlerParts,
    options: BulkOptions & { readonly receive: Service<AppBulkEvent, ReadonlyMap<string, EventVerdict>> },
    govern: (service: Service<Attempt, void>) => Service<Attempt, void>,
  ) {
    this.#parts = parts;
    this.#options = options;
    this.#attempt = govern((call) => this.#once(call, options.receive));
  }

  /** What waits for a window is given back at once. */
  closing(): void {
    this.#closing = true;
    this.#timer?.cancel();
    for (const { settle } of this.#waiting.splice(0)) settle('retry');
  }

  cancel(reason: unknown): void {
    for (const scope of this.#scopes) scope.cancel(reason);
  }

  deliver(message: IncomingMessage): Promise<Verdict> {
    if (this.#closing) return Promise.resolve('retry');
    return new Promise((settle) => {
      this.#waiting.push({ message, settle });
      if (this.#waiting.length >= this.#options.maxMessages) void this.#flush();
      else if (this.#waiting.length === 1) this.#open();
    });
  }

  #open(): void {
    const { clock } = this.#parts;
    if (this.#options.immediate) clock.soon(() => void this.#flush());
    else this.#timer = clock.timer(this.#options.maxAwaitMs, () => void this.#flush());
  }

  async #flush(): Promise<void> {
    this.#timer?.cancel();
    const waiting = this.#waiting;
    this.#waiting = [];
    const byPath = new Map<string, Entry[]>();
    for (const each of waiting) {
      const routed = await routeMessage(this.#parts, each.message);
      if ('settled' in routed) {
        each.settle(routed.settled);
        continue;
      }
      const entry: Entry = { ...each, event: routed.event };
      const entries = byPath.get(routed.path);
      if (entries === undefined) byPath.set(routed.path, [entry]);
      else entries.push(entry);
    }
    for (const [path, pending] of byPath) void this.#toApp({ path, topic: this.#parts.spec.topic, pending });
  }

  async #toApp(attempt: Attempt): Promise<void> {
    const cancel = new CancelScope();
    this.#scopes.add(cancel);
    const trace = attempt.pending[0]?.event.trace;
    const context = trace === undefined ? emptyContext : withValue(emptyContext, traceKey, trace);
    const call = createCall(deliverOperation, attempt, { caller: this.#parts.caller, cancel, context });
    try {
      await ended(call, this.#attempt(call));
    } catch (error) {
      const left = attempt.pending;
      const messages = left.map(({ message }) => message);
      const verdict = this.#closing || left.length === 0 ? 'retry' : await afterFailure(this.#parts, messages, error);
      for (const { settle } of left) settle(verdict);
    } finally {
      this.#scopes.delete(cancel);
    }
  }

  /** One attempt; settles what the app is done with and fails when something is left. */
  async #once(call: Call<Attempt>, receive: Service<AppBulkEvent, ReadonlyMap<string, EventVerdict>>): Promise<void> {
    const { spec, metrics, clock } = this.#parts;
    const attempt = call.input;
    const begunMs = clock.mono();
    let verdicts: ReadonlyMap<string, EventVerdict>;
    try {
      verdicts = await receive(derive<Attempt, AppBulkEvent>(call, { input: this.#bulkEvent(attempt) }));
    } finally {
      metrics.receivedBulk(spec.pubsub, spec.topic, clock.mono() - begunMs);
    }
    const left: Entry[] = [];
    let failure: EventVerdict = { status: 'retry' };
    for (const entry of attempt.pending) {
      const verdict: EventVerdict = verdicts.get(entry.message.id) ?? { status: 'retry' };
      if (await this.#settles(entry, verdict)) entry.settle('ack');
      else {
        left.push(entry);
        failure = verdict;
      }
    }
    attempt.pending = left;
    if (left.length > 0) throw deliveryError(failure, `${left.length} events of topic ${spec.topic}`);
  }

  async #settles({ message }: Entry, { status, silent }: EventVerdict): Promise<boolean> {
    const { spec, metrics, deadLetters } = this.#parts;
    metrics.receivedInBulk(spec.pubsub, spec.topic, status);
    if (status !== 'drop' || silent === true || deadLetters.topic === undefined) return status !== 'retry';
    return deadLetters.send([message]);
  }

  #bulkEvent({ path, pending }: Attempt): AppBulkEvent {
    const { spec, raw, newId } = this.#parts;
    const entries = pending.map(({ message, event }) => ({
      entryId: message.id,
      event: raw ? message.data : event.cloudEvent,
      contentType: raw ? 'application/octet-stream' : 'application/cloudevents+json',
      metadata: message.metadata,
    }));
    return { id: newId(), path, pubsub: spec.pubsub, topic: spec.topic, metadata: { pubsubName: spec.pubsub }, entries };
  }
}
