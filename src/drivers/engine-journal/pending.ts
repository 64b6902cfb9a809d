import type { Condition } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';
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

/** Commits that become durable together: one write, one sync. */
export class Group {
  readonly number: number;
  readonly buffer: GroupBuffer;
  readonly operations: Operation[] = [];
  readonly waiters: Waiter[] = [];
  timeMs = 0;
  commits = 0;
  records = 0;
  /** Of its first record. */
  sequence = 0;

  constructor(number: number, buffer: GroupBuffer) {
    this.number = number;
    this.buffer = buffer;
  }
}

interface Queued<Value> {
  readonly value: Value;
  readonly group: Group;
}

/** What a condition found: whether it holds, and the queued group on which that rests. */
export interface Finding<Value> {
  readonly value: Value;
  readonly group: Group | undefined;
}

/** Durable state with all queued commits laid over it: what the next commit is judged against. Reads never look here. */
export class Pending {
  readonly #state: JournalState;
  readonly #keys = new Map<Key, Queued<KeyEntry | undefined>>();
  #ranges: { readonly from: Key; readonly to: Key; readonly group: Group }[] = [];
  readonly #logs = new Map<Key, Queued<{ readonly head: number; readonly first: number }>>();
  readonly #leases = new Map<Key, Queued<LeaseRow>>();
  readonly #ids = new Map<string, Queued<KeptResult>>();

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
    return this.#logs.get(name) ?? { value: this.#state.logs.get(name) ?? { head: 0, first: 1 }, group: undefined };
  }

  lease(name: Key): Finding<LeaseRow | undefined> {
    return this.#leases.get(name) ?? { value: this.#state.leases.get(name), group: undefined };
  }

  id(id: string): Queued<KeptResult> | undefined {
    return this.#ids.get(id);
  }

  /** Lays an operation over what is there. */
  queue(operation: Operation, group: Group): void {
    group.operations.push(operation);
    switch (operation.kind) {
      case 'put':
        if (!operation.moved) this.#keys.set(operation.key, { value: operation.entry, group });
        return;
      case 'delete':
        return void this.#keys.set(operation.key, { value: undefined, group });
      case 'deleteRange':
        return this.#queueRange(operation.from, operation.to, group);
      case 'append': {
        if (operation.moved) return;
        const { first } = this.log(operation.log).value;
        return void this.#logs.set(operation.log, { value: { first, head: operation.block.first + operation.block.count - 1 }, group });
      }
      case 'trim': {
        const { head } = this.log(operation.log).value;
        return void this.#logs.set(operation.log, { value: { head, first: operation.first }, group });
      }
      case 'lease':
        return void this.#leases.set(operation.name, { value: operation.row, group });
      case 'id':
        return void this.#ids.set(operation.id, { value: operation.result, group });
    }
  }

  /** The group is in the durable state now: what it laid over it is removed where nothing newer lies. */
  settle(group: Group): void {
    for (const operation of group.operations) {
      if (operation.kind === 'put' || operation.kind === 'delete') drop(this.#keys, operation.key, group);
      else if (operation.kind === 'append' || operation.kind === 'trim') drop(this.#logs, operation.log, group);
      else if (operation.kind === 'lease') drop(this.#leases, operation.name, group);
      else if (operation.kind === 'id') drop(this.#ids, operation.id, group);
      else this.#settleRange(group);
    }
  }

  /** All queued commits failed. */
  clear(): void {
    for (const map of [this.#keys, this.#logs, this.#leases, this.#ids]) map.clear();
    this.#ranges = [];
  }

  #key(key: Key): Finding<KeyEntry | undefined> {
    const queued = this.#keys.get(key);
    if (queued !== undefined) return queued;
    for (const { from, to, group } of this.#ranges) if (from <= key && key < to) return { value: undefined, group };
    return { value: this.#state.keys.get(key), group: undefined };
  }

  #queueRange(from: Key, to: Key, group: Group): void {
    for (const key of this.#keys.keys()) if (from <= key && key < to) this.#keys.set(key, { value: undefined, group });
    this.#ranges.push({ from, to, group });
  }

  #settleRange(group: Group): void {
    this.#ranges = this.#ranges.filter((range) => range.group !== group);
    for (const [key, queued] of this.#keys) if (queued.group === group) this.#keys.delete(key);
  }
}

function drop<Value>(map: Map<string, Queued<Value>>, key: string, group: Group): void {
  if (map.get(key)?.group === group) map.delete(key);
}
