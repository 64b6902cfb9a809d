import type { HistoryEvent } from '../../contracts/workflow.ts';
import { moreTimer } from './outbox.ts';

/** An operation in the history: what code asked for earlier. */
export interface Recorded {
  readonly id: number;
  readonly label: string;
  readonly event: HistoryEvent;
}

/** An operation of the worker's own that no code asks for. */
const inner = `timer ${moreTimer}`;

/**
 * What is recorded of an execution, by name and occurrence: where an operation stands among others of other names is of no importance. Labels are what people
 * read: `run charge`, `sleep`, `child invoice`.
 */
export class Journal {
  readonly #byLabel = new Map<string, { readonly list: Recorded[]; next: number }>();
  readonly #all: Recorded[] = [];
  readonly #unclaimed = new Set<number>();
  #left = 0;

  /** Takes over what is recorded. */
  add(history: readonly HistoryEvent[]): void {
    for (const event of history) {
      const label = labelOf(event);
      if (label === undefined || label === inner) continue;
      const recorded = { id: event.id, label, event };
      this.#all.push(recorded);
      this.#unclaimed.add(event.id);
      const same = this.#byLabel.get(label);
      if (same === undefined) this.#byLabel.set(label, { list: [recorded], next: 0 });
      else same.list.push(recorded);
      if (isOwed(label)) this.#left++;
    }
  }

  /** The next one of that name; undefined: there is none. */
  claim(label: string): Recorded | undefined {
    const same = this.#byLabel.get(label);
    const recorded = same?.list[same.next];
    if (same === undefined || recorded === undefined) return undefined;
    same.next++;
    this.#unclaimed.delete(recorded.id);
    if (isOwed(label)) this.#left--;
    return recorded;
  }

  /** Whether an operation is recorded that no code asked for yet. */
  isUnclaimed(id: number): boolean {
    return this.#unclaimed.has(id);
  }

  /** How many are recorded that no code asked for yet. */
  get left(): number {
    return this.#left;
  }

  /** Everything that is recorded, oldest first, and whether code asked for it. */
  path(): readonly (Recorded & { readonly claimed: boolean })[] {
    return this.#all.map((recorded) => ({ ...recorded, claimed: !this.#unclaimed.has(recorded.id) }));
  }

  /** Forgets what is of no use any more once everything was asked for. */
  settle(): void {
    if (this.#left > 0) return;
    this.#all.length = 0;
    for (const [label, { list, next }] of this.#byLabel) if (next === list.length) this.#byLabel.delete(label);
  }
}

// Code may stop asking for a patch.
function isOwed(label: string): boolean {
  return !label.startsWith('patch ');
}

/** The name of an operation; undefined for events that nobody asked for. */
function labelOf(event: HistoryEvent): string | undefined {
  switch (event.type) {
    case 'taskScheduled':
      return event.taskExecutionId ?? `task ${event.name}`;
    case 'timerCreated':
      return `timer ${event.name ?? ''}`;
    case 'childCreated':
      return event.retryParent === undefined ? childLabel(event.name) : `child again ${event.retryParent}`;
    case 'eventSent':
      return sendLabel(event.name);
    case 'detachedCreated':
      return startLabel;
    case 'recorded':
      return event.name;
    default:
      return undefined;
  }
}

/** Names of operations whose history event has no place for a name of ours. */
export const startLabel = 'start';
export const childLabel = (workflow: string): string => `child ${workflow}`;
export const childAgainLabel = (firstInstanceId: string): string => `child again ${firstInstanceId}`;
export const sendLabel = (event: string): string => `send ${event}`;
