import type { HistoryEvent } from '../../contracts/workflow.ts';
import type { OwnedShard } from '../../contracts/placement.ts';
import type { ActiveSpan } from '../../contracts/tracer.ts';
import { logFields } from '../../kernel/names.ts';
import type { Key } from '../../kernel/tuple.ts';
import { decodeLine, decodeLines, below, readChunks } from './history-lines.ts';
import { deniedText, isAllowed } from './access.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import type { AppScope } from './keys.ts';
import type { InboxItem, Mail } from './mail.ts';
import { decodeRecord } from './record.ts';
import { eventLines } from './signing/marks.ts';
import type { Standing } from './signing/standing.ts';
import type { WorkerSeat } from './worker-pool.ts';

/** An instance of an own shard in memory. Everything in it can be read from the engine again, but items of the inbox without a key. */
export class LiveInstance {
  readonly id: string;
  /** The shard as it was owned when the instance was loaded. */
  readonly home: OwnedShard;
  /** Undefined: there is no record; what waits in the inbox may make one. */
  header: Header | undefined;
  /** Of the record. */
  version = 0;
  tail: readonly string[] = [];
  /** The committed history of this execution, once somebody asked. */
  past: HistoryEvent[] | undefined;
  inbox: InboxItem[] = [];
  /** The mark of work under way exists. */
  ready = false;
  /** Its version where that is known; whoever rewrites the mark forgets it. The mark is only ever deleted under its version: a commit that lingers must not take the one of mail that came meanwhile. */
  mark: number | undefined;
  /** The inbox on the engine may hold more than is known here. */
  unread = true;
  driving = false;
  /** A turn is with a worker, or being committed. */
  turning = false;
  /** Something came since the last look. */
  again = false;
  /** Ids of activities that this runtime has in hand. */
  readonly activities = new Set<number>();
  /** Who had the last turn: it may have kept what it computed. */
  seat: WorkerSeat | undefined;
  /** How often it continued as new without a pause. */
  restarts = 0;
  /** Turns since the last one that was kept which the worker failed with, or answered from an older history. */
  failures = 0;
  span: ActiveSpan | undefined;
  /** How its history stands, where histories are signed. */
  standing: Standing | undefined;
  /** It was dropped from memory: nothing may be done with it. */
  gone = false;

  constructor(id: string, home: OwnedShard) {
    this.id = id;
    this.home = home;
  }

  get shard(): number {
    return this.home.index;
  }

  /** No worker takes its name: it waits for one to be attached. */
  parked = false;
  /** A stalled instance may be tried once more: another worker came, or it was just loaded. */
  retry = true;

  /** Nothing is under way that only memory knows. */
  get idle(): boolean {
    return !this.driving && this.inbox.length === 0 && this.activities.size === 0 && !this.unread && this.header?.stall === undefined;
  }

  /** Memory that it takes; what was measured is 0.4 to 0.95 of it (docs/decisions/durable-execution.md). */
  get bytes(): number {
    const history = (this.past === undefined ? 0 : 3) * (this.header?.historyChars ?? 0);
    const { customStatus = '', pending = [], stall } = this.header ?? {};
    // Once in the header, and once in the record that the newest lines are cut out of.
    const header = 2 * (customStatus.length + (stall?.description.length ?? 0) + charsOf(pending));
    return 2_000 + history + header + charsOf(this.tail);
  }

  /** The mark was written by a commit other than the instance's own. */
  marked(): void {
    this.ready = true;
    this.mark = undefined;
  }

  add(item: InboxItem): void {
    if (item.key !== undefined && this.inbox.some(({ key }) => key === item.key)) return;
    this.inbox.push(item);
  }
}

function charsOf(lines: readonly string[]): number {
  let chars = 0;
  for (const line of lines) chars += line.length;
  return chars;
}

/** Reads the record; the inbox is read by `readInbox`. */
export async function readRecord(core: Core, live: LiveInstance): Promise<void> {
  const entry = await core.engine.get(core.keys.record(live.id));
  if (entry === undefined) return;
  const { header, tail, version } = decodeRecord(entry);
  live.header = header;
  live.tail = tail;
  live.version = version;
}

/** The committed history of the current execution; kept with the instance from then on. */
export async function readPast(core: Core, live: LiveInstance): Promise<HistoryEvent[]> {
  if (live.past !== undefined || live.header === undefined) return live.past ?? [];
  const { execution, chunks } = live.header;
  const { keys, engine } = core;
  const lines = await readChunks(engine, { keys, id: live.id, execution, chunks });
  live.past = await decodeLines(engine, { keys, id: live.id }, eventLines(live.header, [...lines, ...live.tail]));
  return live.past;
}

const inboxPage = 256;
const inboxMax = 1_000;

/** Adds what waits on the engine, in order of arrival, up to a bound; the rest is read after a turn. */
export async function readInbox(core: Core, live: LiveInstance): Promise<void> {
  live.unread = false;
  const { from: first, to } = below(core.keys.inboxes(live.id));
  let from = first;
  for (;;) {
    const page = await core.engine.range({ from, to, limit: inboxPage });
    for (const { key, value } of page.entries) live.add(await readItem(core, live, { key, value }));
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return;
    if (live.inbox.length >= inboxMax) {
      live.unread = true;
      return;
    }
    from = `${last.key}\x00`;
  }
}

interface StoredMail extends Omit<Mail, 'event'> {
  readonly line: string;
  readonly blob?: string;
}

/** The bytes of mail in an inbox. */
export function encodeMail({ execution, detached, from }: Omit<Mail, 'event'>, line: string, blob: string | undefined): Uint8Array {
  const stored: StoredMail = {
    line,
    ...(execution !== undefined && { execution }),
    ...(detached !== undefined && { detached }),
    ...(from !== undefined && { from: { namespace: from.namespace, appId: from.appId } }),
    ...(blob !== undefined && { blob }),
  };
  return Buffer.from(JSON.stringify(stored), 'utf8');
}

async function readItem(
  core: Core,
  { id, header }: LiveInstance,
  entry: { readonly key: Key; readonly value: Uint8Array },
): Promise<InboxItem> {
  const { line, ...rest } = JSON.parse(Buffer.from(entry.value).toString('utf8')) as StoredMail;
  const event = await decodeLine(core.engine, { keys: core.keys, id }, line);
  const denied = rest.from !== undefined && header !== undefined && (await isDenied(core, header.name, { event, caller: rest.from }));
  return { ...rest, event, key: entry.key, sinceMs: core.clock.mono(), ...(denied && { denied }) };
}

// Results of what this app asked for itself are always welcome; starts are judged where they are admitted, for their makers are told.
async function isDenied(
  core: Core,
  name: string,
  { event, caller }: { readonly event: HistoryEvent; readonly caller: AppScope },
): Promise<boolean> {
  const operation = event.type === 'eventRaised' ? 'raise' : event.type === 'executionTerminated' ? 'terminate' : undefined;
  if (operation === undefined || (await isAllowed(core, { caller, kind: 'workflow', operation, name }))) return false;
  core.log.warn(`another app may not ${operation} a workflow of this one: ${deniedText}`, { [logFields.error]: caller.appId });
  return true;
}
