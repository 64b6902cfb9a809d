import type { LiveInstance } from './live-instance.ts';

/** Instances in memory: those with work under way stay, of the others those that were used last, up to a bound in bytes. */
export class InstanceCache {
  readonly #all = new Map<string, LiveInstance>();
  readonly #bytesMax: number;
  #bytes = 0;
  readonly #sizes = new Map<string, number>();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#all.size;
  }

  get(id: string): LiveInstance | undefined {
    return this.#all.get(id);
  }

  values(): Iterable<LiveInstance> {
    return this.#all.values();
  }

  add(live: LiveInstance): void {
    this.drop(live.id);
    this.#all.set(live.id, live);
    this.used(live);
  }

  /** It was used just now; weighs it again and lets others go when there are too many. */
  used(live: LiveInstance): void {
    if (this.#all.get(live.id) !== live) return;
    this.#all.delete(live.id);
    this.#all.set(live.id, live);
    this.#weigh(live.id, live.bytes);
    this.#shrink(live);
  }

  drop(id: string): void {
    const live = this.#all.get(id);
    if (live === undefined) return;
    live.gone = true;
    this.#all.delete(id);
    this.#weigh(id, 0);
  }

  #weigh(id: string, bytes: number): void {
    this.#bytes += bytes - (this.#sizes.get(id) ?? 0);
    if (bytes === 0) this.#sizes.delete(id);
    else this.#sizes.set(id, bytes);
  }

  // Looks at a few of the oldest only: those that are busy are put behind, so that the next look goes on after them.
  #shrink(used: LiveInstance): void {
    let looks = 8;
    while (this.#bytes > this.#bytesMax && looks-- > 0) {
      const oldest = this.#all.values().next().value;
      if (oldest === undefined || oldest === used) return;
      if (oldest.idle) this.drop(oldest.id);
      else {
        this.#all.delete(oldest.id);
        this.#all.set(oldest.id, oldest);
      }
    }
  }
}
