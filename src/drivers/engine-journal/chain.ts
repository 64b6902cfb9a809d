import type { Disk } from '../../kernel/ports.ts';
import { decodeHead, fileNames, headBytes, type Listing, type NumberedFile, segmentStart } from './format.ts';
import { decodeRecordHead, nextRecordAt } from './record.ts';
import { type Predecessor, type SegmentHead, segmentHead } from './segment-writer.ts';

/** The segments that belong to the journal, first to last. `bytes` is the seal; undefined for the last one. */
export type Chain = readonly {
  readonly number: number;
  readonly epoch: number;
  readonly bytes: number | undefined;
  readonly before: Predecessor;
  /** Undefined when it is damaged. */
  readonly head: SegmentHead | undefined;
}[];

/** A head is a few hundred bytes: reading one after another is mostly waiting. */
const headsAtOnce = 16;

/**
 * Follows the links from the segment of the highest epoch backwards to the first one that is still there. What is not linked was
 * written by an owner that had lost the journal: void.
 */
export async function readChain(disk: Disk, directory: string, listing: Listing, report: (what: string) => void): Promise<Chain> {
  const heads = new Map<string, SegmentHead | undefined>();
  for (let at = 0; at < listing.segments.length; at += headsAtOnce) {
    const some = listing.segments.slice(at, at + headsAtOnce);
    const read = await Promise.all(some.map(({ name }) => readHead(disk, `${directory}/${name}`)));
    for (const [i, { name }] of some.entries()) heads.set(name, read[i]);
  }
  const byEpoch = listing.segments.toSorted((a, b) => a.epoch - b.epoch || a.number - b.number);
  const tip = await findTip(disk, directory, byEpoch, heads);
  const chain: Chain[number][] = [];
  let at: NumberedFile | undefined = tip;
  let bytes: number | undefined;
  while (at !== undefined) {
    const here: NumberedFile = at;
    const head = heads.get(here.name);
    if (head === undefined) report(`${directory}/${here.name} has a damaged head`);
    const before: Predecessor = head?.before ?? guessPredecessor(listing, here);
    chain.unshift({ number: here.number, epoch: here.epoch, bytes, before, head });
    const name = fileNames.segment(before.number, before.epoch);
    at = listing.segments.find((file) => file.name === name);
    bytes = before.bytes;
  }
  return chain;
}

async function readHead(disk: Disk, path: string): Promise<SegmentHead | undefined> {
  const file = await disk.open(path, 'read');
  try {
    const numbers = decodeHead(await file.read(0, headBytes), 'SEGM', path);
    return numbers === undefined ? undefined : segmentHead(numbers);
  } finally {
    await file.close();
  }
}

/** The newest segment that was begun completely: one without a head and without records is what a crash left of its creation. */
async function findTip(
  disk: Disk,
  directory: string,
  byEpoch: readonly NumberedFile[],
  heads: ReadonlyMap<string, SegmentHead | undefined>,
): Promise<NumberedFile | undefined> {
  for (const file of byEpoch.toReversed()) {
    if (heads.get(file.name) !== undefined) return file;
    const raw = await disk.readFile(`${directory}/${file.name}`);
    const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.length);
    for (let at = nextRecordAt(bytes, segmentStart); at >= 0; at = nextRecordAt(bytes, at + 1)) {
      if (decodeRecordHead(bytes, at) !== undefined) return file;
    }
  }
  return undefined;
}

/** A damaged head does not say what came before it: most likely the segment with the next lower number and the highest epoch. */
function guessPredecessor(listing: Listing, file: NumberedFile): Predecessor {
  const before = listing.segments.findLast((other) => other.number === file.number - 1 && other.epoch <= file.epoch);
  return before === undefined
    ? { number: 0, epoch: 0, bytes: 0 }
    : { number: before.number, epoch: before.epoch, bytes: Number.MAX_SAFE_INTEGER };
}
