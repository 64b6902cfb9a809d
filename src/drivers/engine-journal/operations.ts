import type { CommitResult } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Segment } from './segment.ts';

/** Where a key's value lies. The index keeps it packed and makes an object for whoever asks: two objects of one version are the same value. */
export class KeyEntry {
  readonly version: number;
  /** 0 = never. */
  readonly expiresAtMs: number;
  readonly length: number;
  readonly crc: number;
  /** Undefined until its group is durable. */
  segment: Segment | undefined = undefined;
  /** Of the value in the segment; relative to the group until the group is durable. */
  offset: number;

  constructor(fields: { version: number; expiresAtMs: number; length: number; crc: number; offset: number }) {
    this.version = fields.version;
    this.expiresAtMs = fields.expiresAtMs;
    this.length = fields.length;
    this.crc = fields.crc;
    this.offset = fields.offset;
  }
}

/** A run of entries of one append, stored together. `offset` as in `KeyEntry`. */
export interface Block {
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
  readonly crc: number;
  offset: number;
}

export interface LeaseRow {
  readonly owner: string;
  readonly epoch: number;
  readonly expiresAtMs: number;
}

/** What a commit did, kept for repeats. Versions of one commit follow each other, so the first is enough. */
export type KeptResult =
  | { readonly status: 'done'; readonly firstVersion: number; readonly puts: number; readonly sequences: readonly number[] }
  | { readonly status: 'conflict'; readonly failed: number };

/** What a record does to the state. `moved` ones change only where something lies: compaction wrote them. */
export type Operation =
  | { readonly kind: 'put'; readonly key: Key; readonly entry: KeyEntry; readonly moved: boolean }
  | { readonly kind: 'delete'; readonly key: Key }
  | { readonly kind: 'deleteRange'; readonly from: Key; readonly to: Key }
  | { readonly kind: 'append'; readonly log: Key; readonly block: Block; readonly moved: boolean }
  | { readonly kind: 'trim'; readonly log: Key; readonly first: number }
  | { readonly kind: 'lease'; readonly name: Key; readonly row: LeaseRow }
  | { readonly kind: 'leaseGone'; readonly name: Key; readonly epoch: number }
  | { readonly kind: 'id'; readonly id: string; readonly result: KeptResult };

/** The answer that a repeat gets. */
export function resultOf(kept: KeptResult): CommitResult {
  if (kept.status === 'conflict') return { status: 'conflict', failed: kept.failed };
  return doneResult(kept.firstVersion, kept.puts, kept.sequences);
}

/** The answer to a commit that wrote `puts` versions from `firstVersion` on. */
export function doneResult(firstVersion: number, puts: number, sequences: readonly number[]): CommitResult {
  return { status: 'done', versions: versionsFrom(firstVersion, puts), sequences };
}

function versionsFrom(first: number, count: number): readonly number[] {
  // Most commits put one key or none; an array that is grown by `push` begins with room for many.
  if (count === 0) return none;
  if (count === 1) return [first];
  return Array.from({ length: count }, (_, i) => first + i);
}

const none: readonly never[] = [];
