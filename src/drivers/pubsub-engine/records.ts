import { ProaError } from '../../kernel/errors.ts';
import type { LaneSnapshot } from './lane-progress.ts';

/** A lane as it is stored: who holds it (empty: nobody) and how far it has come. Its key's version fences every former holder. */
export interface LaneRecord extends LaneSnapshot {
  readonly owner: string;
}

/** A group as it is stored. The number of lanes is fixed when the group is made: keys must not change lanes. */
export interface GroupRecord {
  readonly lanes: number;
  readonly createdAtMs: number;
}

/** A member of a group: one subscription of one broker instance, alive while the instance's lease is held. */
export interface MemberRecord {
  readonly broker: string;
}

/** Compact JSON; pending sequences as distances below the position, which keeps the record short. */
export function encodeLane(record: LaneRecord): Uint8Array {
  const { owner, position, pending } = record;
  return encodeRecord({ owner, position, pending: pending.map((sequence) => position - sequence) });
}

/** Fails with `engine.corrupt` when the bytes are not a lane's. */
export function decodeLane(bytes: Uint8Array): LaneRecord {
  const { owner, position, pending } = decodeRecord<LaneRecord>(bytes);
  if (typeof owner !== 'string' || !Number.isSafeInteger(position) || !Array.isArray(pending)) throw damaged();
  return { owner, position, pending: pending.map((distance) => position - distance) };
}

export function encodeRecord(record: object): Uint8Array {
  return Buffer.from(JSON.stringify(record), 'utf8');
}

/** Fails with `engine.corrupt` when the bytes hold no JSON object. */
export function decodeRecord<T>(bytes: Uint8Array): T {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as T;
  } catch {
    // Falls through: not JSON is as damaged as JSON of another kind.
  }
  throw damaged();
}

function damaged(): ProaError {
  return new ProaError('engine.corrupt', 'a record of a pub/sub group cannot be read');
}
