import { ProaError } from '../../kernel/errors.ts';
import { crc32 } from './crc32.ts';

/**
 * The version of everything in the directory; a newer one is refused, older ones are read. 2: records say up to where the journal was durable
 * (1: the number of their group), leases can be removed, and a snapshot knows the highest epoch of those.
 */
export const formatVersion = 2;

/** Every file begins with a head: `PROA`, four letters of its kind, format, CRC, then 14 numbers. */
export const headBytes = 128;

/** Records of a segment begin here: one page, so that the head never shares a sector with data. */
export const segmentStart = 4096;

export type FileKind = 'SEGM' | 'SNAP' | 'MARK' | 'LIDX' | 'BKUP';

const numbersMax = 14;

type Four = readonly [number, number, number, number];

/** The numbers of a head in the file kind's own order; zero behind those that it has. */
export type HeadNumbers = readonly [...Four, ...Four, ...Four, number, number];

/** A file's head; `numbers` follow the file kind's own order. */
export function encodeHead(kind: FileKind, numbers: readonly number[]): Buffer {
  if (numbers.length > numbersMax) throw new ProaError('internal', 'a head holds 14 numbers');
  const head = Buffer.alloc(headBytes);
  head.write(`PROA${kind}`, 0, 'latin1');
  head.writeUInt32LE(formatVersion, 8);
  numbers.forEach((number, i) => head.writeDoubleLE(number, 16 + 8 * i));
  head.writeInt32LE(headCrc(head), 12);
  return head;
}

/** The numbers of a head; undefined when it is damaged. Throws `engine.format` for a newer format. */
export function decodeHead(bytes: Uint8Array, kind: FileKind, path: string): HeadNumbers | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, headBytes));
  if (head.length < headBytes || head.toString('latin1', 0, 8) !== `PROA${kind}`) return undefined;
  const intact = head.readInt32LE(12) === headCrc(head);
  const format = head.readUInt32LE(8);
  if (intact && format > formatVersion) {
    throw new ProaError('engine.format', `${path} has format ${format}, this version of Proa knows up to ${formatVersion}`, {
      hint: 'use the version of Proa that wrote it, or a newer one',
    });
  }
  if (!intact) return undefined;
  return Array.from({ length: numbersMax }, (_, i) => head.readDoubleLE(16 + 8 * i)) as unknown as HeadNumbers;
}

function headCrc(head: Buffer): number {
  return crc32(head.subarray(16), crc32(head.subarray(0, 12)));
}

const padded = (value: number): string => String(value).padStart(12, '0');

/** Names of the files in a journal's directory. Numbers are decimal, padded so that names sort. */
export const fileNames = {
  epoch: (epoch: number): string => `epoch-${epoch}`,
  segment: (number: number, epoch: number): string => `segment-${padded(number)}-${epoch}`,
  logIndex: (number: number, epoch: number): string => `logs-${padded(number)}-${epoch}`,
  snapshot: (sequence: number, epoch: number): string => `snapshot-${padded(sequence)}-${epoch}`,
  mark: (epoch: number): string => `mark-${epoch}`,
  quarantine: (number: number, offset: number): string => `quarantine-${padded(number)}-${offset}`,
};

export interface NumberedFile {
  readonly name: string;
  readonly number: number;
  readonly epoch: number;
}

/** What lies in a directory, by the names of its files. */
export interface Listing {
  readonly epochs: readonly number[];
  readonly segments: readonly NumberedFile[];
  readonly snapshots: readonly NumberedFile[];
  readonly logIndexes: readonly NumberedFile[];
  readonly marks: readonly number[];
}

/** Sorts names of a directory into what they are; unknown ones are left alone. */
export function parseListing(names: readonly string[]): Listing {
  const numbered = (kind: string): NumberedFile[] =>
    names.flatMap((name) => {
      const match = new RegExp(`^${kind}-(\\d{12,})-(\\d+)$`).exec(name);
      return match === null ? [] : [{ name, number: Number(match[1]), epoch: Number(match[2]) }];
    });
  const plain = (kind: string): number[] =>
    names.flatMap((name) => {
      const match = new RegExp(`^${kind}-(\\d+)$`).exec(name);
      return match === null ? [] : [Number(match[1])];
    });
  return {
    epochs: plain('epoch').sort((a, b) => a - b),
    segments: numbered('segment').sort((a, b) => a.number - b.number || a.epoch - b.epoch),
    snapshots: numbered('snapshot').sort((a, b) => b.number - a.number || b.epoch - a.epoch),
    logIndexes: numbered('logs'),
    marks: plain('mark'),
  };
}
