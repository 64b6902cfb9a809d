import type { HistoryEvent } from '../../contracts/workflow.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { AppScope } from './keys.ts';

/** An event on its way to an instance. */
export interface Mail {
  readonly event: HistoryEvent;
  /** It counts for this execution of the receiver only. */
  readonly execution?: string;
  /** The app that sent it, when it is another one: its policies decide. */
  readonly from?: AppScope;
  /** A new instance that refuses an id which a finished one has, or that its maker does not wait for. */
  readonly detached?: true;
}

/** Whom mail goes to. */
export interface Address extends AppScope {
  readonly instanceId: string;
}

/** Mail to another instance, as an effect of a turn. */
export interface Letter extends Mail {
  readonly to: Address;
}

/** What became of mail: part of the history, not wanted, or forgotten with this runtime's copy of the instance. */
export type Fate = 'kept' | 'dropped' | 'lost';

/** Mail that arrived. Without a key it is only in memory: what it says is lost with this process, and whoever sent it says it again. */
export interface InboxItem extends Mail {
  key?: Key;
  /** Where its payload stands when that is too large for the inbox. */
  readonly blob?: string;
  /** Told once. Mail with a key needs nobody to be told. */
  settled?: (fate: Fate) => void;
  /** Arrived at, on the monotonic clock. */
  readonly sinceMs: number;
  /** A turn under way consumes it, or it is being given a key. */
  taken?: boolean;
  /** It is consumed without meaning anything any more. */
  unwanted?: boolean;
  /** A policy refuses it. */
  readonly denied?: true;
}

/** Whether it needs no worker: terminating, suspending, resuming. */
export function isControl({ event }: InboxItem): boolean {
  return event.type === 'executionTerminated' || event.type === 'executionSuspended' || event.type === 'executionResumed';
}
