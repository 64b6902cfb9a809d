import type { CommitResult, Condition } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';
import { Overlay } from './overlay.ts';
import type { KeptResult, KeyEntry, LeaseRow, Operation } from './operations.ts';
import type { GroupBuffer } from './record.ts';
import type { JournalState } from './state.ts';

/** Told when the group's fate is known: undefined = durable. */
export type Waiter = (failure: GroupFailure | undefined) => void;

export interface GroupFailure {
  readonly error: unknown;
  /** The group was being written: it may be found after a restart. */
  readonly mayHaveHappened: boolean;
}

/** Commits that become durable together: one write. */
export class Group {
  /** Later groups have higher ones. */
  readonly number: number;
  readonly buffer: GroupBuffer;
  readonly #operations: Operation[] = [];
  readonly overlay: Overlay;
  /** Of the commits that wait: what each is answered with, and whom to tell. Two lists, because an object for each commit would be one more. */
  readonly #results: CommitResult[] = [];
  readonly #answers: ((result: CommitResult | Promise<CommitResult>) => void)[] = [];
  #waiting = 0;
  readonly waiters: Waiter[] = [];
  #onlyPuts = true;
  /** The engine's time of the record that was begun last; it never goes back. */
  nowMs = 0;
  /** Commits that changed something. */
  changes = 0;
  records = 0;
  /** Of its first record. */
  sequence = 0;

  constructor(number: number, buffer: GroupBuffer) {
    this.number = number;
    this.buffer = buffer;
    this.overlay = new Overlay(this.#operations);
  }

  get operations(): readonly Operation[] {
    return this.#operations;
  }

  /** It puts keys and does nothing else. */
  get onlyPuts(): boolean {
    return this.#onlyPuts;
  }

  add(operation: Operation): void {
    this.#operations[this.#operations.length] = operation;
    if (operation.kind !== 'put' || operation.moved) this.#onlyPuts = false;
  }

  /** Answers with `result` when the group is durable. */
  answer(result: CommitResult): Promise<CommitResult> {
    this.#results[this.#waiting] = result;
    return new Promise((resolve) => {
      this.#answers[this.#waiting++] = resolve;
    });
  }

  /** Answers everybody who waits for this group. */
  settle(failure: GroupFailure | undefined): void {
    const answers = this.#answers;
    for (let i = 0; i < this.#waiting; i++) {
      const answer = answers[i] as (result: CommitResult | Promise<CommitResult>) => void;
      if (failure === undefined) answer(this.#results[i] as CommitResult);
      else answer(failure.mayHaveHappened ? { status: 'unknown', cause: failure.error } : Promise.reject(failure.error));
    }
    for (const waiter of this.waiters) waiter(failure);
  }
}

/** What a condition found: whether it holds, and the queued group on which that rests. */
export interface Finding<Value> {
  readonly value: Value;
  readonly group: Group | undefined;
}

/** Durable state with all queued groups laid over it: what the next commit is judged against. Reads never look here. */
export class Pending {
  readonly #state: JournalState;
  /** Not durable yet, oldest first. */
  #groups: Group[] = [];

  constructor(state: JournalState) {
    this.#state = state;
  }

  holds(condition: Condition, nowMs: number): Finding<boolean> {
    switch (condition.kind) {
      case 'version': {
        const { value, group } = this.key(condition.key, nowMs);
        return { value: (value?.version ?? 0) === condition.version, group };
      }
      case 'exists': {
        const { value, group } = this.key(condition.key, nowMs);
        return { value: value !== undefined, group };
      }
      case 'head': {
        const { value, group } = this.log(condition.log);
        return { value: value.head === condition.head, group };
      }
      case 'lease': {
        const { value, group } = this.lease(condition.name);
        return { value: value !== undefined && value.epoch === condition.epoch && value.expiresAtMs > nowMs, group };
      }
    }
  }

  key(key: Key, nowMs: number): Finding<KeyEntry | undefined> {
    const found = this.#key(key);
    const { value } = found;
    return value !== undefined && value.expiresAtMs > 0 && value.expiresAtMs <= nowMs ? { value: undefined, group: found.group } : found;
  }

  log(name: Key): Finding<{ readonly head: number; readonly first: number }> {
    const { group, value } = this.#newest((overlay) => overlay.logs.get(name));
    return { value: value ?? this.#state.logs.get(name) ?? { head: 0, first: 1 }, group };
  }

  lease(name: Key): Finding<LeaseRow | undefined> {
    const { group, value } = this.#newest((overlay) => overlay.leases.get(name));
    return { value: value ?? this.#state.leases.get(name), group };
  }

  id(id: string): { readonly value: KeptResult; readonly group: Group } | undefined {
    const { group, value } = this.#newest((overlay) => overlay.ids.get(id));
    return value === undefined || group === undefined ? undefined : { value, group };
  }

  /** False when no key can lie in the range, so that removing it changes nothing. */
  mayHold(from: Key, to: Key): boolean {
    return this.#groups.some(({ overlay }) => overlay.mayHold(from, to)) || this.#state.mayHold(from, to);
  }

  /** Lays an operation over what is there. */
  queue(operation: Operation, group: Group): void {
    if (this.#groups[this.#groups.length - 1] !== group) this.#groups.push(group);
    group.add(operation);
    switch (operation.kind) {
      case 'put':
        return operation.moved ? undefined : group.overlay.noteKey(operation.key);
      case 'append': {
        if (operation.moved) return;
        const { first } = this.log(operation.log).value;
        return void group.overlay.logs.set(operation.log, { first, head: operation.block.first + operation.block.count - 1 });
      }
      case 'trim': {
        const { head } = this.log(operation.log).value;
        return void group.overlay.logs.set(operation.log, { head, first: operation.first });
      }
      case 'lease':
        return void group.overlay.leases.set(operation.name, operation.row);
      case 'leaseGone':
        // As good as expired, until it is gone: whoever takes it then continues with its epoch.
        return void group.overlay.leases.set(operation.name, { owner: '', epoch: operation.epoch, expiresAtMs: 0 });
      case 'id':
        return void group.overlay.ids.set(operation.id, operation.result);
    }
  }

  /** The group is in the durable state now. */
  settle(group: Group): void {
    this.#groups = this.#groups.filter((other) => other !== group);
  }

  /** All queued commits failed. */
  clear(): void {
    this.#groups = [];
  }

  #key(key: Key): Finding<KeyEntry | undefined> {
    for (let i = this.#groups.length - 1; i >= 0; i--) {
      const group = this.#groups[i] as Group;
      const found = group.overlay.key(key);
      if (found !== undefined) return { value: found === 'deleted' ? undefined : found, group };
    }
    return { value: this.#state.keys.get(key), group: undefined };
  }

  #newest<Value>(find: (overlay: Overlay) => Value | undefined): { value: Value | undefined; group: Group | undefined } {
    for (let i = this.#groups.length - 1; i >= 0; i--) {
      const group = this.#groups[i] as Group;
      const value = find(group.overlay);
      if (value !== undefined) return { value, group };
    }
    return { value: undefined, group: undefined };
  }
}
