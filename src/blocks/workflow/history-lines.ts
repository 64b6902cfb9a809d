import type { Engine, Put } from '../../contracts/engine.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { prefixEnd } from '../../kernel/tuple.ts';
import type { WorkflowKeys } from './keys.ts';

/** An event is one line of JSON. Beyond this many characters it stands in values of its own, and the line says where. */
export const lineCharsMax = 16 * 1024;
const partBytesMax = 512 * 1024;
/** Half a gigabyte: far more than a history may hold. */
const partsMax = 1_000;

interface BlobLine {
  readonly blob: string;
  readonly scope: string;
  readonly parts: number;
}

/** What is written beside a line: the parts of a large event. */
export interface EncodedLine {
  readonly line: string;
  readonly parts: readonly Put[];
}

/** Where large events of one instance go. `scope` is deleted as a whole: an execution, or `mail` for what waits in the inbox. */
export interface BlobPlace {
  readonly keys: WorkflowKeys;
  readonly id: string;
  readonly scope: string;
  readonly newBlob: () => string;
}

/** The line of an event, and what of it stands elsewhere. */
export function encodeLine(event: unknown, place: BlobPlace): EncodedLine {
  const text = JSON.stringify(event);
  if (text.length <= lineCharsMax) return { line: text, parts: [] };
  const blob = place.newBlob();
  const parts = blobParts(text, place, blob);
  return { line: JSON.stringify({ blob, scope: place.scope, parts: parts.length } satisfies BlobLine), parts };
}

/** A text in values of 512 KB or less. */
export function blobParts(text: string, { keys, id, scope }: BlobPlace, blob: string): Put[] {
  const bytes = Buffer.from(text, 'utf8');
  const parts: Put[] = [];
  for (let at = 0; at < bytes.length; at += partBytesMax) {
    parts.push({ key: keys.blob({ id, scope }, blob, parts.length), value: bytes.subarray(at, at + partBytesMax) });
  }
  return parts;
}

/** The text that `blobParts` took apart; fails with `engine.corrupt` when parts are missing. */
export async function readBlob(
  engine: Engine,
  place: Pick<BlobPlace, 'keys' | 'id' | 'scope'>,
  blob: { blob: string; parts: number },
): Promise<string> {
  if (!(blob.parts <= partsMax)) throw new ProaError('engine.corrupt', `workflow ${place.id}: a payload of its history has too many parts`);
  const keys = Array.from({ length: blob.parts }, (_, part) => place.keys.blob(place, blob.blob, part));
  const entries = await engine.getMany(keys);
  if (entries.some((entry) => entry === undefined)) {
    throw new ProaError('engine.corrupt', `workflow ${place.id}: a payload of its history is incomplete`);
  }
  return Buffer.concat(entries.map((entry) => entry?.value ?? Buffer.alloc(0))).toString('utf8');
}

const blobMark = '{"blob":';

/** Where the large event of a line stands; undefined for a line that holds its event. */
export function blobOf(line: string): { readonly scope: string; readonly blob: string } | undefined {
  return line.startsWith(blobMark) ? (JSON.parse(line) as BlobLine) : undefined;
}

/** The text of a line's event, at once unless it stands elsewhere. */
export function textOf(engine: Engine, place: Pick<BlobPlace, 'keys' | 'id'>, line: string): string | Promise<string> {
  if (!line.startsWith(blobMark)) return line;
  const blob = JSON.parse(line) as BlobLine;
  return readBlob(engine, { ...place, scope: blob.scope }, blob);
}

/** The value of a line, at once unless it stands elsewhere. */
export function decodeLine<T = HistoryEvent>(engine: Engine, place: Pick<BlobPlace, 'keys' | 'id'>, line: string): T | Promise<T> {
  const text = textOf(engine, place, line);
  return typeof text === 'string' ? parseLine<T>(text, place) : text.then((whole) => parseLine<T>(whole, place));
}

/** Parses the text of an event. Fails with `engine.corrupt`. */
export function parseLine<T = HistoryEvent>(text: string, { id }: Pick<BlobPlace, 'id'>): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new ProaError('engine.corrupt', `workflow ${id}: an event of its history is not readable`, { cause });
  }
}

/** The events of lines, in order. */
export async function decodeLines(
  engine: Engine,
  place: Pick<BlobPlace, 'keys' | 'id'>,
  lines: readonly string[],
): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for (const line of lines) {
    const event = decodeLine(engine, place, line);
    events.push(event instanceof Promise ? await event : event);
  }
  return events;
}

/** All lines of the chunks of one execution, oldest first. */
export async function readChunks(
  engine: Engine,
  at: { keys: WorkflowKeys; id: string; execution: string; chunks: number },
): Promise<string[]> {
  const lines: string[] = [];
  if (at.chunks === 0) return lines;
  let from = at.keys.chunks(at.id, at.execution);
  const to = at.keys.chunk(at.id, at.execution, at.chunks);
  let read = 0;
  for (;;) {
    const page = await engine.range({ from, to });
    for (const { value } of page.entries)
      lines.push(...Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8').split('\n'));
    read += page.entries.length;
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) break;
    from = `${last.key}\x00`;
  }
  if (read !== at.chunks) throw new ProaError('engine.corrupt', `workflow ${at.id}: ${at.chunks - read} pieces of its history are missing`);
  return lines;
}

/** The half-open range of everything below a prefix. */
export function below(prefix: string): { readonly from: string; readonly to: string } {
  return { from: prefix, to: prefixEnd(prefix) };
}
