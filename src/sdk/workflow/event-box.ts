import type { ProaError } from '../../kernel/errors.ts';

/** Someone who waits for an event. */
export interface Waiter {
  /** Takes a payload; false: it does not fit, the event is gone, and the waiter waits on. */
  deliver(payload: string | undefined): Promise<boolean>;
  reject(error: ProaError): void;
}

interface Line {
  readonly events: { readonly payload: string | undefined; readonly order: number }[];
  nextEvent: number;
  readonly waiters: Set<Waiter>;
}

/** Events and those who wait for them, by name in any case: one event for one waiter, both in the order in which they came. */
export class EventBox {
  readonly #lines = new Map<string, Line>();
  readonly #due: Line[] = [];
  #order = 0;

  add(name: string, payload: string | undefined): void {
    const line = this.#line(name);
    line.events.push({ payload, order: this.#order++ });
    if (line.waiters.size > 0) this.#due.push(line);
  }

  /** Answers how to wait no longer. */
  wait(name: string, waiter: Waiter): () => void {
    const line = this.#line(name);
    line.waiters.add(waiter);
    if (line.nextEvent < line.events.length) this.#due.push(line);
    return () => void line.waiters.delete(waiter);
  }

  /** Brings one event to one waiter; false: there is nothing to bring. */
  async deliverOne(): Promise<boolean> {
    const line = this.#due[0];
    if (line === undefined) return false;
    const [waiter] = line.waiters;
    const event = line.events[line.nextEvent];
    if (waiter === undefined || event === undefined) {
      this.#due.shift();
      return true;
    }
    line.nextEvent++;
    if (line.nextEvent === line.events.length) line.events.length = line.nextEvent = 0;
    if (await waiter.deliver(event.payload)) line.waiters.delete(waiter);
    return true;
  }

  /** Whether there is an event more than those who wait take. */
  has(name: string): boolean {
    const { events, nextEvent, waiters } = this.#line(name);
    return events.length - nextEvent > waiters.size;
  }

  /** Whether anybody waits. */
  get awaited(): boolean {
    return [...this.#lines.values()].some(({ waiters }) => waiters.size > 0);
  }

  /** Those who wait, who do so no longer. */
  takeWaiters(): readonly Waiter[] {
    return [...this.#lines.values()].flatMap(({ waiters }) => {
      const all = [...waiters];
      waiters.clear();
      return all;
    });
  }

  /** Events that nobody took, in the order in which they came. */
  left(): readonly { readonly name: string; readonly payload: string | undefined }[] {
    const all = [...this.#lines].flatMap(([name, { events, nextEvent }]) => events.slice(nextEvent).map((event) => ({ ...event, name })));
    return all.sort((a, b) => a.order - b.order);
  }

  #line(name: string): Line {
    const key = name.toLowerCase();
    let line = this.#lines.get(key);
    if (line === undefined) this.#lines.set(key, (line = { events: [], nextEvent: 0, waiters: new Set() }));
    return line;
  }
}
