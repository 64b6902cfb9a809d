import type { Link } from './link.ts';

/** Processes of one peer that a client opens connections to, at most. */
const processesMax = 16;
/** Connections that may come out at a process that is known already, per process, before the client rests. */
const missesPerProcess = 4;
const restMinMs = 1_000;
const restMaxMs = 60_000;

/**
 * Several processes of a peer may accept at one address, and which of them takes a connection is up to the system. Each says in its `hello` how many there are and which
 * one it is; a client with calls for more than one of them connects again until it knows them all.
 */
export class Spread {
  /** Processes that no usable connection leads to. */
  missing = 0;
  #misses = 0;
  #restMs = restMinMs;
  #restUntilMs = -Infinity;

  /** The usable connections are these now. */
  changed(usable: readonly Link[]): void {
    const [first] = usable;
    if (first === undefined || first.peer.processes === undefined) {
      this.missing = 0;
      return;
    }
    const known = new Set<number | undefined>();
    for (const { peer } of usable) known.add(peer.process);
    this.missing = Math.max(0, Math.min(processesMax, first.peer.processes) - known.size);
  }

  /** Whether it is worth another connection now. */
  looks(nowMs: number): boolean {
    return this.missing > 0 && nowMs >= this.#restUntilMs;
  }

  /** A connection stands: true when it leads to a process that one of the usable ones leads to already, and is of no use. */
  isRepeated(link: Link, usable: readonly Link[], nowMs: number): boolean {
    const { processes, process } = link.peer;
    if (processes === undefined || !usable.some(({ peer }) => peer.process === process)) {
      this.#misses = 0;
      this.#restMs = restMinMs;
      return false;
    }
    // One of them may have ended, or take no connections: looking for it costs a connection each time.
    if (++this.#misses >= missesPerProcess * Math.min(processesMax, processes)) this.failed(nowMs);
    return true;
  }

  /** No connection, or none that is new: the next one is tried after a while that grows. */
  failed(nowMs: number): void {
    this.#misses = 0;
    this.#restUntilMs = nowMs + this.#restMs;
    this.#restMs = Math.min(restMaxMs, this.#restMs * 2);
  }
}
