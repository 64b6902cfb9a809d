import type { Entry } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Header } from './header.ts';

/** The record of an instance as it is stored: its header and the newest lines of its history. */
export interface StoredRecord {
  readonly header: Header;
  readonly tail: readonly string[];
  /** Of the engine's key. */
  readonly version: number;
}

/** One value: the header, then a line per event. */
export function encodeRecord(header: Header, tail: readonly string[]): Uint8Array {
  const head = JSON.stringify(header);
  return Buffer.from(tail.length === 0 ? head : `${head}\n${tail.join('\n')}`, 'utf8');
}

/** Fails with `engine.corrupt` for bytes that `encodeRecord` did not write. */
export function decodeRecord(entry: Entry): StoredRecord {
  const text = textOf(entry.value);
  const end = text.indexOf('\n');
  return {
    header: parseHeader(end < 0 ? text : text.slice(0, end)),
    tail: end < 0 ? [] : text.slice(end + 1).split('\n'),
    version: entry.version,
  };
}

/** Only the header: listing needs no more. */
export function decodeHeader(value: Uint8Array): Header {
  const end = value.indexOf(10);
  return parseHeader(textOf(end < 0 ? value : value.subarray(0, end)));
}

function parseHeader(text: string): Header {
  try {
    return JSON.parse(text) as Header;
  } catch (cause) {
    throw new ProaError('engine.corrupt', 'the record of a workflow is not readable', { cause });
  }
}

function textOf(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('utf8');
}

const chunkChars = 4 * 1024;
const pieceChars = 200 * 1024;

/** The newest lines after some were added, and pieces that became full: they are never changed again. */
export interface Grown {
  readonly tail: readonly string[];
  readonly full: readonly string[];
}

/** Adds lines. The lines of one turn always stay together with the record, up to 200,000 characters, so that its newest events need no second read. */
export function growTail(tail: readonly string[], added: readonly string[]): Grown {
  const full: string[] = [];
  let rest: string[] = [];
  if (charsOf(tail) >= chunkChars) full.push(tail.join('\n'));
  else rest = [...tail];
  let chars = charsOf(rest);
  for (const line of added) {
    if (chars + line.length > pieceChars && rest.length > 0) {
      full.push(rest.join('\n'));
      [rest, chars] = [[], 0];
    }
    rest.push(line);
    chars += line.length + 1;
  }
  return { tail: rest, full };
}

/** Characters of lines as they are stored. */
export function charsOf(lines: readonly string[]): number {
  let chars = 0;
  for (const line of lines) chars += line.length + 1;
  return chars;
}
