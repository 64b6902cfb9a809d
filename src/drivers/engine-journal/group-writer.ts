import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { HighWater } from './high-water.ts';
import type { Ownership } from './ownership.ts';
import { Group, type GroupFailure, type Pending } from './pending.ts';
import { GroupBuffer } from './record.ts';
import type { SegmentWriter } from './segment-writer.ts';
import type { JournalState } from './state.ts';

/** Places where a test may hold the owner. */
export interface JournalHooks {
  readonly beforeWrite?: () => Promise<void>;
  readonly afterSync?: () => Promise<void>;
  readonly beforeAcknowledge?: () => Promise<void>;
}

/** Nobody holds the owner. Groups overlap only then: a hook sees one group at a time. */
export const noHooks: JournalHooks = {};

export interface GroupWriterOptions {
  readonly clock: Clock;
  readonly state: JournalState;
  readonly pending: Pending;
  readonly writer: SegmentWriter;
  readonly ownership: Ownership;
  readonly highWater: HighWater;
  readonly hooks: JournalHooks;
  readonly queuedBytesMax: number;
  /** A group of this size goes ahead of its turn. */
  readonly overlapBytes: number;
  /** Called after a group was applied, before its commits are answered. */
  applied(group: Group): void;
  /** Called when the disk stops taking what is written, with why, and with undefined when it goes on. */
  readonly writable?: ((problem: ProaError | undefined) => void) | undefined;
}

/** Groups that are written before their turn. One keeps disk and thread busy; more would only be smaller. */
const aheadMax = 1;
const sparesMax = aheadMax + 2;
/**
 * While a write takes longer than this and what its bytes take at a modest rate, the disk is what everybody waits for: then one large group costs it less
 * than two. Without a part for the bytes a group would be slow for being large, wait for its turn, and be larger the next time.
 */
const overlapWriteMsMax = 1;
const modestBytesPerMs = 100 * 1024;
/** How often a full disk is tried again. */
const retryFullMs = 500;

interface Ahead {
  readonly group: Group;
  readonly written: Promise<void>;
  readonly begunMono: number;
}

/**
 * Group commit without timers: what arrives during a write becomes the next group. One group is one durable write. It is acknowledged
 * after the write, when no newer epoch exists. Under load a group that has become large is written while the one before it still is, so
 * that neither the disk nor this thread waits for the other; it is acknowledged after that one, or fails with it.
 */
export class GroupWriter {
  readonly #options: GroupWriterOptions;
  #open: Group;
  readonly #spares: GroupBuffer[] = [];
  /** The open group has its turn, but is not written yet: it cannot go ahead of itself. */
  #preparing = false;
  /** Groups whose write was begun before their turn, oldest first. */
  readonly #ahead: Ahead[] = [];
  /** The last write was that of a slow disk. */
  #slow = false;
  #running: Promise<void> | undefined;
  #scheduled = false;
  #full: { readonly error: ProaError; readonly sinceMono: number } | undefined;
  #failure: ProaError | undefined;
  #closing = false;
  sequence: number;
  commits = 0;
  syncs = 0;

  constructor(options: GroupWriterOptions) {
    this.#options = options;
    this.sequence = options.state.sequence;
    this.#open = new Group(1, new GroupBuffer(options.state.recent));
  }

  get readOnly(): boolean {
    return this.#full !== undefined || this.#failure !== undefined;
  }

  /** The group that the next commit joins. Throws when nothing can be written now; after a full disk one commit in a while goes through to try. */
  join(): Group {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing) throw new ProaError('engine.unavailable', 'the journal is closed');
    if (this.#full !== undefined && this.#open.records === 0) {
      const mono = this.#options.clock.mono();
      if (mono - this.#full.sinceMono < retryFullMs) throw this.#full.error;
      this.#full = { error: this.#full.error, sinceMono: mono };
    }
    if (this.#open.buffer.length > this.#options.queuedBytesMax) {
      throw new ProaError('overloaded', `more than ${this.#options.queuedBytesMax} bytes wait for the disk`);
    }
    this.#schedule();
    return this.#open;
  }

  /** A record was added to the group: it may be large enough to go ahead. */
  filled(group: Group): void {
    const { writer, hooks, overlapBytes } = this.#options;
    if (group.buffer.length < overlapBytes || this.#running === undefined || this.#ahead.length === aheadMax) return;
    if (this.#slow || hooks !== noHooks || this.readOnly || this.#preparing || writer.isFull(group.buffer.length)) return;
    const begunMono = this.#options.clock.mono();
    const written = this.#write(group);
    // Looked at when its turn comes.
    written.catch(() => {});
    this.#ahead.push({ group, written, begunMono });
  }

  /** Waits until everything queued is answered, then refuses more. */
  async close(): Promise<void> {
    this.#closing = true;
    while (this.#scheduled || this.#running !== undefined) {
      await (this.#running ?? new Promise<void>((resolve) => this.#options.clock.soon(resolve)));
    }
  }

  /** Ends at once: what is queued is answered as lost. */
  abandon(error: ProaError): void {
    this.#failure ??= error;
    if (this.#running === undefined) this.#failOpen({ error: this.#failure, mayHaveHappened: false });
  }

  #schedule(): void {
    if (this.#scheduled || this.#running !== undefined) return;
    this.#scheduled = true;
    this.#options.clock.soon(() => {
      this.#scheduled = false;
      this.#running = this.#flushAll().finally(() => {
        this.#running = undefined;
        if (this.#ahead.length > 0 || this.#open.records > 0) this.#schedule();
      });
    });
  }

  async #flushAll(): Promise<void> {
    while ((this.#ahead.length > 0 || this.#open.buffer.length > 0) && this.#failure === undefined) {
      const ahead = this.#ahead.shift();
      await this.#flush(ahead?.group ?? this.#open, ahead);
      // Whoever was just answered, and whoever's request lies in a socket by now, can join the next group.
      if (this.#ahead.length === 0) await new Promise<void>((resolve) => this.#options.clock.soon(resolve));
    }
    if (this.#failure === undefined) return;
    await this.#failAhead(this.#failure);
    this.#failOpen({ error: this.#failure, mayHaveHappened: false });
  }

  async #flush(group: Group, ahead: Ahead | undefined): Promise<void> {
    const { hooks, ownership, clock } = this.#options;
    const begunMono = ahead?.begunMono ?? clock.mono();
    try {
      const written = ahead?.written ?? this.#begin(group);
      this.filled(this.#open);
      await written;
      this.#slow = clock.mono() - begunMono > overlapWriteMsMax + group.buffer.length / modestBytesPerMs;
      if (hooks.afterSync !== undefined) await hooks.afterSync();
      // Whoever claims an epoch after this look finds the written bytes.
      ownership.check();
    } catch (error) {
      return this.#failed(group, error);
    }
    if (this.#full !== undefined) {
      this.#full = undefined;
      this.#options.writable?.(undefined);
    }
    this.#durable(group, group.buffer.length);
    if (hooks.beforeAcknowledge !== undefined && !(await this.#mayAcknowledge(group, hooks.beforeAcknowledge))) return;
    group.settle(undefined);
    if (this.#spares.length < sparesMax) this.#spares.push(group.buffer);
  }

  #begin(group: Group): Promise<void> {
    const { writer, hooks } = this.#options;
    if (hooks.beforeWrite !== undefined || this.#full !== undefined || writer.isFull(group.buffer.length)) return this.#prepared(group);
    return this.#write(group);
  }

  /** Nobody joins the group any more. */
  #write({ number, buffer }: Group): Promise<void> {
    const { writer, state } = this.#options;
    buffer.seal(state.sequence);
    state.recent.close(buffer.bytes);
    this.#open = this.#following(number);
    return writer.write(buffer.bytes);
  }

  /** Commits join the group until its write begins, and no other group may be written before. */
  async #prepared(group: Group): Promise<void> {
    const { writer, hooks } = this.#options;
    this.#preparing = true;
    try {
      if (hooks.beforeWrite !== undefined) await hooks.beforeWrite();
      if (this.#full !== undefined || writer.isFull(group.buffer.length)) await this.#roll(group);
    } finally {
      this.#preparing = false;
    }
    return this.#write(group);
  }

  #roll(group: Group): Promise<void> {
    const { writer, state } = this.#options;
    // A sealed segment may be removed when no key lies in it.
    state.enterLate();
    return writer.roll({ sequence: group.sequence, timeMs: Math.max(state.timeMs, group.nowMs) });
  }

  #durable(group: Group, length: number): void {
    const { writer, state, pending, highWater, ownership } = this.#options;
    const { segment } = writer;
    const base = segment.bytes;
    state.recent.add(segment, base, group.buffer.bytes);
    writer.advance(length);
    if (state.applyGroup(group, segment, base)) this.#enterSoon();
    state.sequence = group.sequence + group.records - 1;
    state.timeMs = Math.max(state.timeMs, group.nowMs);
    pending.settle(group);
    this.commits += group.changes;
    this.syncs++;
    highWater.raise({ epoch: ownership.epoch, segment: segment.number, offset: segment.bytes, sequence: state.sequence });
    this.#options.applied(group);
  }

  /** Behind the next write's begin, so that this thread is busy while the disk is. */
  #enterSoon(): void {
    const { clock, state } = this.#options;
    clock.soon(() => clock.soon(() => state.enterLate()));
  }

  async #mayAcknowledge(group: Group, hook: () => Promise<void>): Promise<boolean> {
    try {
      await hook();
      this.#options.ownership.check();
      return true;
    } catch (error) {
      this.#failure ??= failureOf(error);
      group.settle({ error, mayHaveHappened: true });
      return false;
    }
  }

  async #failed(group: Group, error: unknown): Promise<void> {
    const { pending, clock } = this.#options;
    const mayHaveHappened = group !== this.#open;
    const { code } = error as { code?: string };
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    const failure = failureOf(error);
    // Whoever is no longer the owner has no problem with the disk.
    if (!this.readOnly && (full || failure.code === 'engine.unavailable')) this.#options.writable?.(failure);
    if (full) this.#full = { error: failure, sinceMono: clock.mono() };
    else this.#failure ??= failure;
    // Nothing may be under way when somebody hears of it, and writes again.
    await Promise.allSettled(this.#ahead.map(({ written }) => written));
    // What was queued behind it was judged on what did not happen.
    pending.clear();
    group.settle({ error: failure, mayHaveHappened });
    await this.#failAhead(failure);
    if (group === this.#open) this.#open = this.#following(group.number);
    else this.#failOpen({ error: failure, mayHaveHappened: false });
  }

  async #failAhead(error: ProaError): Promise<void> {
    await Promise.allSettled(this.#ahead.map(({ written }) => written));
    for (const { group } of this.#ahead.splice(0)) group.settle({ error, mayHaveHappened: true });
  }

  #failOpen(failure: GroupFailure): void {
    const open = this.#open;
    this.#options.pending.clear();
    this.#open = this.#following(open.number);
    open.settle(failure);
  }

  /** The group that takes what comes when nobody joins number `number` any more. */
  #following(number: number): Group {
    const buffer = this.#spares.pop() ?? new GroupBuffer(this.#options.state.recent);
    buffer.reset();
    return new Group(number + 1, buffer);
  }
}

function failureOf(error: unknown): ProaError {
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ProaError('engine.read-only', `the disk is full: ${message}`, {
      cause: error,
      hint: 'free disk space; writing resumes by itself',
    });
  }
  if (code?.startsWith('engine.') === true) return ProaError.from(error);
  return new ProaError('engine.unavailable', `the disk failed, the journal stopped writing: ${message}`, {
    cause: error,
    hint: 'repair the disk and restart; nothing that was acknowledged is affected',
  });
}
