import type { News } from '../../contracts/news.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Breaker, BreakerState, OpenTime, ReplicatedBreaker, Verdict } from './breaker.ts';

/** What copies of a breaker tell each other. */
type Message =
  | { readonly kind: 'counts'; readonly counts: readonly Counts[] }
  | { readonly kind: 'probing'; readonly name: string; readonly calls: number }
  | { readonly kind: 'open'; readonly name: string; readonly time: OpenTime }
  | { readonly kind: 'closed'; readonly name: string }
  /** A process begins: what is open? */
  | { readonly kind: 'asked' };

interface Counts {
  readonly name: string;
  /** What the breaker was when these calls ended: a copy that is something else by now has no use for them. */
  readonly state: BreakerState;
  good: number;
  slow: number;
  bad: number;
  badAtEnd: number;
}

export interface SharedBreakersOptions {
  readonly clock: Clock;
  readonly news: News;
  /** The runtime's name: breakers of several runtimes travel the same way. */
  readonly name: string;
}

/** Breakers that the processes of one runtime keep together. */
export interface SharedBreakers {
  /** The copy of this process; copies of the same name, which holds the parameters too, belong together. */
  share(name: string, breaker: ReplicatedBreaker): Breaker;
  close(): void;
}

/** How long counts are gathered before the others are told. */
const gatherMs = 25;
const namesMax = 10_000;

/**
 * Makes the copies of breakers in this process keep up with those in the others, without a question per call: how calls ended is told in portions, 25 ms at the
 * latest; a breaker that opens or closes is told at once, and so is every call that a half-open one lets through.
 */
export function createSharedBreakers({ clock, news, name: runtime }: SharedBreakersOptions): SharedBreakers {
  const copies = new Map<string, Copy>();
  // Of breakers that no call of this process has needed yet.
  const unmet = new Map<string, Unmet>();
  const topic = `breakers of ${runtime}`;
  let gathered = new Map<string, Counts>();
  const tell = (message: Message): void => news.tell(topic, message);
  const flush = (): void => {
    if (gathered.size === 0) return;
    const counts = [...gathered.values()];
    gathered = new Map();
    tell({ kind: 'counts', counts });
  };
  const outbox: Outbox = {
    tell(message) {
      // Order: what was counted before a change comes before it.
      flush();
      tell(message);
    },
    counts(name, state) {
      let counts = gathered.get(name);
      if (counts?.state !== state) {
        if (gathered.size === 0) clock.timer(gatherMs, flush, true);
        else if (counts !== undefined) flush();
        gathered.set(name, (counts = { name, state, good: 0, slow: 0, bad: 0, badAtEnd: 0 }));
      }
      return counts;
    },
    flush,
  };
  const heard = (message: Message): void => {
    const nowMs = clock.mono();
    switch (message.kind) {
      case 'counts':
        for (const counts of message.counts) copies.get(counts.name)?.absorb(counts, nowMs);
        return;
      case 'asked':
        for (const copy of copies.values()) copy.tellIfOpen(nowMs);
        return;
      case 'open':
        if (!copies.has(message.name))
          remember(unmet, message.name, { untilMs: nowMs + message.time.leftMs, ofMs: message.time.ofMs, probes: 0 });
        copies.get(message.name)?.inner.become({ open: message.time }, nowMs);
        return;
      case 'closed':
        unmet.delete(message.name);
        copies.get(message.name)?.inner.become('closed', nowMs);
        return;
      case 'probing':
        probed(unmet.get(message.name), message.calls);
        copies.get(message.name)?.inner.probing(message.calls, nowMs);
    }
  };
  const close = news.listen(topic, (message) => heard(message as Message));
  tell({ kind: 'asked' });
  return {
    share(name, inner) {
      const copy = new Copy(name, inner, outbox);
      remember(copies, name, copy);
      const known = unmet.get(name);
      unmet.delete(name);
      if (known !== undefined) catchUp(inner, known, clock.mono());
      return copy;
    },
    close,
  };
}

/** What is known of a breaker that is open, or was until a moment ago, before it has a copy here. */
interface Unmet {
  readonly untilMs: number;
  readonly ofMs: number;
  /** Calls that others let through since it is half-open. */
  probes: number;
}

function probed(unmet: Unmet | undefined, calls: number): void {
  if (unmet !== undefined) unmet.probes = Math.max(0, unmet.probes + calls);
}

/** Half-open lasts as long as open at most for one who has only heard of it: then its news is too old. */
function catchUp(breaker: ReplicatedBreaker, { untilMs, ofMs, probes }: Unmet, nowMs: number): void {
  if (nowMs > untilMs + ofMs) return;
  breaker.become({ open: { leftMs: Math.max(0, untilMs - nowMs), ofMs } }, nowMs);
  if (probes > 0) breaker.probing(probes, nowMs);
}

/** The newest stay; a map keeps the order in which names came. */
function remember<T>(map: Map<string, T>, name: string, value: T): void {
  map.delete(name);
  if (map.size >= namesMax) map.delete(map.keys().next().value as string);
  map.set(name, value);
}

interface Outbox {
  tell(message: Message): void;
  counts(name: string, state: BreakerState): Counts;
  flush(): void;
}

class Copy implements Breaker {
  readonly #name: string;
  readonly inner: ReplicatedBreaker;
  readonly #outbox: Outbox;

  constructor(name: string, inner: ReplicatedBreaker, outbox: Outbox) {
    this.#name = name;
    this.inner = inner;
    this.#outbox = outbox;
  }

  get slowMs(): number {
    return this.inner.slowMs;
  }

  enter(nowMs: number): number {
    const token = this.inner.enter(nowMs);
    if (token >= 0 && this.inner.countsProbes && this.inner.state(nowMs) === 'half-open')
      this.#outbox.tell({ kind: 'probing', name: this.#name, calls: 1 });
    return token;
  }

  leave(token: number, verdict: Verdict, nowMs: number): void {
    const { inner } = this;
    const before = inner.state(nowMs);
    if (!inner.leave(token, verdict, nowMs)) return;
    if (verdict === 'ignored') {
      if (before === 'half-open' && inner.countsProbes) this.#outbox.tell({ kind: 'probing', name: this.#name, calls: -1 });
      return;
    }
    this.#gather(verdict, before);
    const after = inner.state(nowMs);
    if (after !== before) this.#tellState(after, nowMs);
    else if (before === 'half-open' && inner.countsProbes) this.#outbox.flush();
  }

  state(nowMs: number): BreakerState {
    return this.inner.state(nowMs);
  }

  absorb(counts: Counts, nowMs: number): void {
    const before = this.inner.state(nowMs);
    if (before !== counts.state) return;
    this.inner.absorb(counts, nowMs);
    const after = this.inner.state(nowMs);
    if (after !== before) this.#tellState(after, nowMs);
  }

  tellIfOpen(nowMs: number): void {
    if (this.inner.state(nowMs) === 'open') this.#tellState('open', nowMs);
  }

  #gather(verdict: Exclude<Verdict, 'ignored'>, state: BreakerState): void {
    const counts = this.#outbox.counts(this.#name, state);
    counts[verdict]++;
    counts.badAtEnd = verdict === 'bad' ? counts.badAtEnd + 1 : 0;
  }

  #tellState(state: BreakerState, nowMs: number): void {
    if (state === 'open') this.#outbox.tell({ kind: 'open', name: this.#name, time: this.inner.openTime(nowMs) });
    else if (state === 'closed') this.#outbox.tell({ kind: 'closed', name: this.#name });
  }
}
