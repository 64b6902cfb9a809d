import type { Engine, Entry } from '../../contracts/engine.ts';
import { readAll } from '../../contracts/read-all.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import { tuple, untuple, type Key } from '../../kernel/tuple.ts';

/** Who owns a shard, as its record says; an empty owner has given it up. */
export interface ShardRecord {
  readonly owner: string;
  readonly version: number;
}

/** A member as its record says: where its runtime is reached, and on which machine the sockets of its endpoint are good. */
export interface MemberRecord {
  readonly endpoint: Endpoint;
  readonly machine: string;
}

/** All that is stored about a group. Read as one page it is of one instant. */
export interface GroupTable {
  /** Undefined until the first member came. */
  readonly shards: number | undefined;
  readonly owners: ReadonlyMap<number, ShardRecord>;
  readonly members: ReadonlyMap<string, MemberRecord>;
}

const space = 'placement';

/** Shards stand before members: an owner that is read was a member before, so that its absence below means that it left, also when a table has several pages. */
const kinds = { group: 0, shard: 1, member: 2 } as const;

/** Where a group keeps its records. */
export const placementKeys = {
  /** What changes below it concerns everyone who knows the group. */
  table: (group: string): Key => tuple(space, 'group', group),
  group: (group: string): Key => tuple(space, 'group', group, kinds.group),
  shard: (group: string, index: number): Key => tuple(space, 'group', group, kinds.shard, index),
  member: (group: string, runtime: string): Key => tuple(space, 'group', group, kinds.member, runtime),
  /** The lease that says that a runtime lives. */
  lease: (runtime: string): Key => tuple(space, 'lease', runtime),
} as const;

/** Reads a group. Fails with the engine's error, and with `engine.corrupt` when a record is damaged. */
export async function readGroup(engine: Engine, group: string): Promise<GroupTable> {
  const prefix = placementKeys.table(group);
  const owners = new Map<number, ShardRecord>();
  const members = new Map<string, MemberRecord>();
  let shards: number | undefined;
  for (const entry of await readAll(engine, prefix)) {
    const [kind, name] = untuple(entry.key.slice(prefix.length));
    if (kind === kinds.group) shards = shardsOf(entry);
    else if (kind === kinds.shard) owners.set(name as number, { owner: textOf(entry), version: entry.version });
    else if (kind === kinds.member) members.set(name as string, memberOf(entry));
  }
  return { shards, owners, members };
}

/** A number of shards as its record holds it. */
export function encodeShards(shards: number): Uint8Array {
  return Buffer.from(String(shards), 'utf8');
}

/** An owner as the record of a shard holds it. */
export function encodeOwner(owner: string): Uint8Array {
  return Buffer.from(owner, 'utf8');
}

export function encodeMember(record: MemberRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record), 'utf8');
}

/** The number of shards in the group's record; fails with `engine.corrupt`. */
export function shardsOf(entry: Entry): number {
  const shards = Number(textOf(entry));
  if (!Number.isInteger(shards) || shards < 1) throw damaged();
  return shards;
}

function memberOf(entry: Entry): MemberRecord {
  try {
    const record = JSON.parse(textOf(entry)) as Partial<MemberRecord> | null;
    if (typeof record?.machine === 'string' && typeof record.endpoint?.instance === 'string') return record as MemberRecord;
  } catch {
    // Falls through: not JSON is as damaged as JSON of another kind.
  }
  throw damaged();
}

function textOf({ value }: Entry): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8');
}

function damaged(): ProaError {
  return new ProaError('engine.corrupt', 'a record of the placement cannot be read');
}
