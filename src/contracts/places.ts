import type { Cancellation } from '../kernel/cancel.ts';
import type { News, Sums } from './news.ts';

/** Places for calls under way, here or divided among several processes. */
export interface Places {
  /** Takes a place that is here and free. */
  tryTake(): boolean;
  /**
   * Undefined when a place was free and is taken: the common case allocates nothing. Otherwise resolves with one; fails when cancelled or when too many wait.
   * `noneFree` is called, perhaps more than once, when it is known that no place is free: before that, one may be on its way.
   */
  acquire(cancel: Cancellation, noneFree?: () => void): Promise<void> | undefined;
  readonly release: () => void;
}

/** What processes that serve the same app count together. */
export interface SharedCounts {
  /** The app's name among all runtimes, for counts that are kept in the engine. */
  readonly name: string;
  readonly processes: number;
  /** The places of that name, `max` in all processes together. */
  places(name: string, max: number): Places;
  /** Numbers under that name; `own` answers those of this process and is asked while they are not all 0. */
  sums(name: string, own: () => readonly number[]): Sums;
  readonly news: News;
}
