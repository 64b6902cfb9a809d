import type { OwnedShard } from '../../contracts/placement.ts';
import type { Timer } from '../../kernel/ports.ts';
import { TurnLock } from './turn-lock.ts';

/** A turn: one call at a time, and with reentrancy the calls of its chain that come back. */
export interface Turn {
  readonly reentrancyId: string | undefined;
  depth: number;
  /** Another runtime took the actor over: that is counted and told. */
  overtaken: boolean;
}

/** A timer that runs. */
export interface RunningTimer {
  wait: Timer | undefined;
  over: boolean;
}

/** An actor in memory: from its first call until it is deactivated. */
export class Actor {
  readonly type: string;
  readonly id: string;
  /** What was owned when it came into memory: its writes are committed under this condition and no other. When the shard is lost the actor goes too. */
  readonly shard: OwnedShard;
  readonly lock = new TurnLock();
  readonly timers = new Map<string, RunningTimer>();
  turn: Turn | undefined;
  /** The app had a call for it: it has to be told when the actor goes. */
  activated = false;
  /** It was deactivated: whoever waited for it begins with a new one. */
  gone = false;
  /** It is being deactivated, or waits for that. */
  retiring: Promise<void> | undefined;
  lastUsedMs: number;

  constructor(identity: { readonly type: string; readonly id: string }, shard: OwnedShard, nowMs: number) {
    this.type = identity.type;
    this.id = identity.id;
    this.shard = shard;
    this.lastUsedMs = nowMs;
  }

  stopTimers(): number {
    const { size } = this.timers;
    for (const timer of this.timers.values()) {
      timer.over = true;
      timer.wait?.cancel();
    }
    this.timers.clear();
    return size;
  }
}
