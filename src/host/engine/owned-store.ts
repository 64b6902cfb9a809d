import type { Engine } from '../../contracts/engine.ts';

/**
 * A store that one process owns at a time. Ownership is an epoch: whoever claims a higher one ends the older owner, whose commits
 * are from then on answered `unknown`, never `done`.
 */
export interface OwnedStore {
  /** The highest epoch that was ever claimed; 0 for none. */
  epoch(): Promise<number>;
  /**
   * Claims the epoch after `seen`, calls `claimed` with it, and opens. Undefined when somebody else claimed one first. Other failures
   * (damage, a newer format, no right to write) are the store's own errors.
   */
  open(seen: number, claimed: (epoch: number) => Promise<void>): Promise<Engine | undefined>;
}
