import type { Append, Commit, Put } from '../../contracts/engine.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Core } from './core.ts';
import { below, blobOf, type EncodedLine, encodeLine } from './history-lines.ts';
import type { Header } from './header.ts';
import type { LiveInstance } from './live-instance.ts';
import type { InboxItem } from './mail.ts';
import { charsOf, encodeRecord, growTail } from './record.ts';
import type { Delivery } from './postman.ts';
import type { Chain } from './signing/chain.ts';
import { signTurn } from './signing/sign-turn.ts';

/** What a commit makes of an instance. */
export interface Change {
  readonly live: LiveInstance;
  readonly shard: OwnedShard;
  readonly header: Header;
  /** Events that join the history. */
  readonly events: readonly HistoryEvent[];
  /** The execution that is over: its history goes. */
  readonly ended?: string;
  /** The events join a history that somebody changed: they are not signed. */
  readonly unsigned?: true;
  readonly consumed: readonly InboxItem[];
  readonly appends: readonly Append[];
  readonly delivery: Delivery;
  /** Further values that the commit brings. */
  readonly puts?: readonly Put[];
  /** Parts of large values, which may be committed ahead. */
  readonly parts?: readonly Put[];
  /** Something is still under way afterwards: the mark stays. */
  readonly busy: boolean;
}

/** A change in the engine's terms. `ahead` is committed before; nothing refers to it until then. */
export interface BuiltChange {
  readonly commit: Commit;
  readonly ahead: readonly Put[];
  readonly header: Header;
  readonly tail: readonly string[];
  readonly record: Key;
  /** Where the mark stands among what is put; undefined: it is not. */
  readonly marked: number | undefined;
  /** The mark is deleted, under its version. */
  readonly takesMark: boolean;
  /** How far the history is signed by it; absent: nothing was signed. */
  readonly chain?: Chain;
}

/** Which condition of a change's commit failed. `delivery`: letters were to go to shards that are not ours any more. */
export function whatFailed({ takesMark }: BuiltChange, failed: number): 'shard' | 'record' | 'mark' | 'delivery' {
  const own = takesMark ? (['shard', 'record', 'mark'] as const) : (['shard', 'record'] as const);
  return own[failed] ?? 'delivery';
}

const inlineBytesMax = 2 * 1024 * 1024;

/** Builds the one commit of a turn. */
export function buildChange(core: Core, change: Change): BuiltChange {
  const { live, shard, consumed, delivery } = change;
  const { keys } = core;
  const record = keys.record(live.id);
  const grown = growHistory(core, change);
  const value = encodeRecord(grown.header, grown.tail);
  const puts: Put[] = [{ key: record, value }, ...delivery.puts, ...(change.puts ?? [])];
  const beside = [...grown.puts, ...delivery.parts, ...(change.parts ?? [])];
  const inline = bytesOf(beside) + bytesOf(puts) <= inlineBytesMax && beside.length <= 64;
  if (inline) puts.push(...beside);
  const ready = keys.ready(live.shard, live.id);
  const marked = change.busy && !live.ready ? puts.push({ key: ready, value: nothing }) - 1 : undefined;
  const deletes = consumed.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const takesMark = !change.busy && live.ready && live.mark !== undefined && live.mark > 0;
  if (takesMark) deletes.push(ready);
  const commit: Commit = {
    if: [
      shard.condition,
      { kind: 'version', key: record, version: live.version },
      ...(takesMark ? [{ kind: 'version', key: ready, version: live.mark ?? 0 } as const] : []),
      ...delivery.conditions,
    ],
    put: puts,
    delete: deletes,
    deleteRange: [
      ...pendingBlobs(core, change),
      ...consumed.flatMap(({ blob }) => (blob === undefined ? [] : [below(keys.blobs(live.id, 'mail', blob))])),
      ...(change.ended === undefined ? [] : [below(keys.chunks(live.id, change.ended)), below(keys.blobs(live.id, change.ended))]),
    ],
    append: change.appends,
    bytesGiven: true,
  };
  const { header, tail, chain } = grown;
  return { commit, ahead: inline ? [] : beside, header, tail, record, marked, takesMark, ...(chain !== undefined && { chain }) };
}

/** What waited for the first turn is written anew as part of the history. */
function pendingBlobs({ keys }: Core, { live, header }: Change): { readonly from: Key; readonly to: Key }[] {
  if (live.header === undefined || live.header.pending === header.pending) return [];
  return (live.header.pending ?? []).flatMap((line) => {
    const blob = blobOf(line);
    return blob === undefined ? [] : [below(keys.blobs(live.id, blob.scope, blob.blob))];
  });
}

interface GrownHistory {
  readonly header: Header;
  readonly tail: readonly string[];
  /** Full chunks and large events. */
  readonly puts: readonly Put[];
  readonly chain?: Chain;
}

function growHistory(core: Core, { live, header, events, ended, unsigned }: Change): GrownHistory {
  const { keys, random } = core;
  const place = { keys, id: live.id, scope: header.execution, newBlob: () => random.hex(16) };
  const puts: Put[] = [];
  const lines: string[] = [];
  const encoded: EncodedLine[] | undefined = core.signing === undefined || unsigned === true ? undefined : [];
  for (const event of events) {
    const made = encodeLine(event, place);
    lines.push(made.line);
    puts.push(...made.parts);
    encoded?.push(made);
  }
  const signed = core.signing && encoded && signTurn(core.signing, { live, ended, events, encoded });
  const chars = lines.reduce((sum, line) => sum + line.length + 1, bytesOf(puts));
  const { tail, full } = growTail(ended === undefined ? live.tail : [], lines);
  full.forEach((text, i) => puts.push({ key: keys.chunk(live.id, header.execution, header.chunks + i), value: Buffer.from(text, 'utf8') }));
  return {
    header: {
      ...header,
      events: header.events + events.length,
      chunks: header.chunks + full.length,
      historyChars: header.historyChars + chars + (signed === undefined ? 0 : charsOf(signed.lines)),
      ...(signed !== undefined && { signed: true as const }),
    },
    // The last event and what signs it stay with the record.
    tail: signed === undefined ? tail : [...tail, ...signed.lines],
    puts,
    ...(signed !== undefined && { chain: signed.chain }),
  };
}

function bytesOf(puts: readonly Put[]): number {
  return puts.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
}

const nothing = new Uint8Array(0);
