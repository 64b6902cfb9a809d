import { HintBoard } from '../../contracts/engine-hints.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { parseListing } from './format.ts';
import { GroupWriter, type JournalHooks, noHooks } from './group-writer.ts';
import { HighWater } from './high-water.ts';
import { Housekeeping } from './housekeeping.ts';
import { createJournalEngine, type JournalEngine } from './journal-engine.ts';
import { LeaseSweep } from './lease-sweep.ts';
import { LogIndexes } from './log-indexes.ts';
import { Mover } from './mover.ts';
import { claimEpoch } from './ownership.ts';
import { type Group, Pending } from './pending.ts';
import { JournalReads } from './reads.ts';
import { Recorder } from './recorder.ts';
import { recover } from './recovery.ts';
import { Segments } from './segment.ts';
import { SegmentWriter } from './segment-writer.ts';
import { JournalState } from './state.ts';

export interface JournalOptions {
  /** Go on without what is damaged; it is set aside in `quarantine-` files. Default false: `engine.corrupt` instead. */
  readonly acceptDataLoss?: boolean;
  /** Memory of the index (keys, log runs, commit ids); commits that would exceed it fail with `engine.limit`. Default 1 GB. */
  readonly indexBytesMax?: number;
  /** Memory for values, and as much again for recent log entries. Default 32 MB. */
  readonly cacheBytesMax?: number;
  /** Default 64 MB. */
  readonly segmentBytesMax?: number;
  /** A snapshot is written after so many bytes of journal, or when as much was written as the last snapshot is large. Default 64 MB. */
  readonly snapshotEveryBytes?: number;
  /** Bytes that may wait for the disk; beyond them commits fail with `overloaded`. Default 32 MB. */
  readonly queuedBytesMax?: number;
  /** Groups of at least this size are written while the group before them still is. Default 128 KB. */
  readonly overlapBytes?: number;
  /** Told once when the disk stops taking what is written, with why, and with undefined when it goes on. */
  readonly writable?: (problem: ProaError | undefined) => void;
  /** Places where a test may hold the owner. */
  readonly hooks?: JournalHooks;
}

export interface OpenJournalOptions {
  readonly ports: { readonly clock: Clock; readonly disk: Disk };
  /** Made when missing. */
  readonly directory: string;
  readonly options?: JournalOptions;
  /** For processes that compete: claim the epoch behind `after` or fail; `claimed` is awaited before the journal is read. */
  readonly claim?: { readonly after: number; readonly claimed: (epoch: number) => Promise<void> };
}

/**
 * Opens the journal in `directory` and takes it over: this process owns it from now on, under a new epoch, and a former owner can
 * acknowledge nothing more. Fails with `engine.corrupt` (something durable is damaged or missing), `engine.format` (a newer version wrote
 * it) or `engine.read-only` (the directory cannot be written, the disk is full).
 */
export async function openJournalEngine(given: OpenJournalOptions): Promise<JournalEngine> {
  try {
    return await open(given);
  } catch (error) {
    throw openError(error, given.directory);
  }
}

async function open({ ports, directory, options = {}, claim }: OpenJournalOptions): Promise<JournalEngine> {
  const { clock, disk } = ports;
  await disk.makeDirectory(directory, 0o700);
  const ownership = await claimEpoch(ports, directory, parseListing(await disk.list(directory)), claim?.after);
  await claim?.claimed(ownership.epoch);
  // Listed again: the former owner may have written until the claim.
  const listing = parseListing(await disk.list(directory));
  const cacheBytesMax = options.cacheBytesMax ?? 32 * 1024 * 1024;
  const segments = new Segments(disk, directory);
  const state = new JournalState(cacheBytesMax, segments);
  const pause = (): Promise<void> => new Promise((resolve) => clock.soon(resolve));
  const acceptDataLoss = options.acceptDataLoss ?? false;
  const { tip, replayedBytes } = await recover({ disk, directory, listing, segments, state, acceptDataLoss, pause });
  const before = tip ?? { number: 0, epoch: 0, bytes: 0 };
  const next = { sequence: state.sequence + 1, timeMs: state.timeMs };
  const segmentBytesMax = options.segmentBytesMax ?? 64 * 1024 * 1024;
  const writer = await SegmentWriter.begin({ disk, segments, epoch: ownership.epoch, segmentBytesMax }, before, next);
  const { segment } = writer;
  const mark = { epoch: ownership.epoch, segment: segment.number, offset: segment.bytes, sequence: state.sequence };
  const highWater = await HighWater.create(ports, directory, mark);
  const engine = assemble({
    clock,
    disk,
    directory,
    options,
    state,
    segments,
    ownership,
    writer,
    highWater,
    replayedBytes,
    cacheBytesMax,
    segmentBytesMax,
  });
  await engine.clean();
  return engine.engine;
}

interface Opened {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly directory: string;
  readonly options: JournalOptions;
  readonly state: JournalState;
  readonly segments: Segments;
  readonly ownership: Awaited<ReturnType<typeof claimEpoch>>;
  readonly writer: SegmentWriter;
  readonly highWater: HighWater;
  readonly replayedBytes: number;
  readonly cacheBytesMax: number;
  readonly segmentBytesMax: number;
}

function assemble(opened: Opened): { engine: JournalEngine; clean(): Promise<void> } {
  const { clock, disk, directory, options, state, segments, ownership, writer, highWater } = opened;
  const board = new HintBoard();
  const pending = new Pending(state);
  let nowMs = state.timeMs;
  const now = (): number => (nowMs = Math.max(nowMs, clock.now()));
  const applied = (group: Group): void => {
    tell(board, group);
    housekeeping.look(group.buffer.length);
  };
  const queuedBytesMax = options.queuedBytesMax ?? 32 * 1024 * 1024;
  const overlapBytes = options.overlapBytes ?? 128 * 1024;
  const hooks = options.hooks ?? noHooks;
  const { writable } = options;
  const limits = { queuedBytesMax, overlapBytes };
  const groups = new GroupWriter({ clock, state, pending, writer, ownership, highWater, hooks, ...limits, applied, writable });
  const recorder = new Recorder(groups, now);
  const indexes = new LogIndexes({ disk, clock }, directory, state);
  const mover = new Mover({ state, segments, indexes, recorder, clock });
  const snapshotEveryBytes = options.snapshotEveryBytes ?? 64 * 1024 * 1024;
  const { replayedBytes } = opened;
  const housekeeping = new Housekeeping({
    disk,
    clock,
    directory,
    state,
    segments,
    writer,
    groups,
    indexes,
    ownership,
    mover,
    leases: new LeaseSweep({ state, pending, recorder, now }),
    snapshotEveryBytes,
    segmentBytesMax: opened.segmentBytesMax,
    replayedBytes,
    now,
  });
  const reads = new JournalReads({ state, segments, indexes, now });
  const indexBytesMax = options.indexBytesMax ?? 1024 * 1024 * 1024;
  const parts = { clock, directory, indexBytesMax, state, pending, segments, writer, groups, recorder, reads };
  const engine = createJournalEngine({ ...parts, ownership, highWater, housekeeping, board, now });
  return { engine, clean: () => housekeeping.clean() };
}

function tell(board: HintBoard, group: Group): void {
  if (!board.watching) return;
  const keys: string[] = [];
  const logs: string[] = [];
  let ranges = false;
  for (const operation of group.operations) {
    if (operation.kind === 'put' && !operation.moved) keys.push(operation.key);
    else if (operation.kind === 'delete') keys.push(operation.key);
    else if (operation.kind === 'append' && !operation.moved) logs.push(operation.log);
    else if (operation.kind === 'deleteRange') ranges = true;
  }
  board.fire(keys, new Set(logs));
  if (ranges) board.firePrefixes();
}

function openError(error: unknown, directory: string): unknown {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new ProaError('engine.read-only', `${directory} cannot be written: ${message}`, {
      cause: error,
      hint: 'choose another data directory, or give this user the right to write there',
    });
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ProaError('engine.read-only', `no space left for the journal in ${directory}: ${message}`, { cause: error });
  }
  return ProaError.from(error, 'engine.unavailable');
}
