import type { Engine } from '../../contracts/engine.ts';
import { readAll } from '../../contracts/read-all.ts';
import { prefixEnd, untuple, type Key } from '../../kernel/tuple.ts';
import type { BusKeys } from './keys.ts';
import { startPosition } from './log-position.ts';
import { decodeRecord, encodeLane, encodeRecord, type GroupRecord, type MemberRecord } from './records.ts';

export interface GroupOptions {
  readonly engine: Engine;
  readonly keys: BusKeys;
  readonly topic: string;
  readonly group: string;
  readonly lanes: number;
  readonly startFrom: string;
  readonly recentMs: number;
}

/** Makes the group durable if it is new and answers how many lanes it has. Several consumers may do this at once. */
export async function ensureGroup(options: GroupOptions): Promise<number> {
  const { engine, keys, topic, group, lanes } = options;
  const key = keys.group(topic, group);
  for (;;) {
    const existing = await engine.get(key);
    if (existing !== undefined) return decodeRecord<GroupRecord>(existing.value).lanes;
    const others = await engine.range({ from: keys.groups(topic), to: prefixEnd(keys.groups(topic)), limit: 1, keysOnly: true });
    const { startFrom, recentMs } = options;
    const position = await startPosition({ engine, log: keys.log(topic), startFrom, recentMs, first: others.entries.length === 0 });
    const lane = encodeLane({ owner: '', position, pending: [] });
    const record = encodeRecord({ lanes, createdAtMs: engine.now() } satisfies GroupRecord);
    await engine.commit({
      if: [{ kind: 'version', key, version: 0 }],
      put: [
        { key, value: record },
        { key: keys.topic(topic), value: new Uint8Array(0) },
        ...Array.from({ length: lanes }, (_, index) => ({ key: keys.lane(topic, group, index), value: lane })),
      ],
    });
    // Whoever won, and whether the outcome is known or not: the next round reads it.
  }
}

export interface Member {
  readonly id: string;
  readonly broker: string;
}

/** The members of a group, sorted by id. */
export async function readMembers(engine: Engine, prefix: Key): Promise<Member[]> {
  const members: Member[] = [];
  for (const { key, value } of await readAll(engine, prefix)) {
    const [kind, id] = untuple(key.slice(prefix.length));
    if (kind === 'm' && typeof id === 'string') members.push({ id, broker: decodeRecord<MemberRecord>(value).broker });
  }
  return members;
}

/** The lane of an entry: by its key (FNV-1a), so that a key's events stay together, else spread by sequence. */
export function laneOf(key: string | undefined, sequence: number, lanes: number): number {
  if (key === undefined) return sequence % lanes;
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % lanes;
}
