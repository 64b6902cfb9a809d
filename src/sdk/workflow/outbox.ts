import { workflowLimits } from '../../contracts/workflow.ts';
import type { FailureDetails, HistoryEvent, WorkflowAction } from '../../contracts/workflow.ts';
import type { NewAction } from './operation.ts';

/** How a run ended. */
export type End =
  | { readonly status: 'COMPLETED' | 'TERMINATED'; readonly result: string | undefined }
  | { readonly status: 'CONTINUED_AS_NEW'; readonly result: string | undefined; readonly carryover: readonly HistoryEvent[] }
  | { readonly status: 'FAILED' | 'CANCELED'; readonly failure: FailureDetails };

/** The timer that brings the next turn for what has no room in this one. */
export const moreTimer = 'proa.more';
/** Its ids are far from those of the code: they must not move when a run is replayed. */
const moreIdsFrom = 1_000_000_000;

/** What the code wants done: ids in the order in which it asked. */
export class Outbox {
  #actions: WorkflowAction[] = [];
  #nextId = 1;
  #nextMoreId = moreIdsFrom;

  /** Ids up to this one are taken. */
  taken(id: number): void {
    if (id < moreIdsFrom) this.#nextId = Math.max(this.#nextId, id + 1);
    else this.#nextMoreId = Math.max(this.#nextMoreId, id + 1);
  }

  get empty(): boolean {
    return this.#actions.length === 0;
  }

  /** Answers its id. */
  add(action: NewAction): number {
    const id = this.#nextId++;
    this.#actions.push({ ...action, id } as WorkflowAction);
    return id;
  }

  /** At most as many as a turn may have; a timer that is due at once brings the next turn for the rest. */
  take(nowMs: number): readonly WorkflowAction[] {
    const all = this.#actions;
    const max = workflowLimits.actionsPerTurnMax;
    this.#actions = all.length > max ? all.slice(max - 1) : [];
    if (this.#actions.length === 0) return all;
    return [...all.slice(0, max - 1), { id: this.#nextMoreId++, type: 'createTimer', name: moreTimer, fireAtMs: nowMs }];
  }

  /** The last action of a run, behind all others. */
  end(end: End): void {
    this.#actions.push(lastAction(this.#nextId++, end));
  }

  /** Nothing else is wanted any more. */
  clear(): void {
    this.#actions = [];
  }
}

function lastAction(id: number, end: End): WorkflowAction {
  if ('failure' in end) return { id, type: 'complete', status: end.status, failure: end.failure };
  const { status, result } = end;
  return {
    ...{ id, type: 'complete', status },
    ...(result !== undefined && { result }),
    ...(end.status === 'CONTINUED_AS_NEW' && { carryover: end.carryover }),
  };
}
