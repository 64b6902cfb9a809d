import { partOf } from '../../kernel/bytes.ts';
import { defaultWindowBytes, frameBytesMax, windowBytesMax } from './frames.ts';
import type { Outflow } from './outflow.ts';
import type { PeerGuard } from './peer-guard.ts';
import type { OwnStream } from './stream.ts';

// Frames smaller than this, though there is more to send, are forced on us by tiny windows.
const dribbleBytes = 256;

// So much may wait for peers that do not read, of one connection and of all that share a budget; large answers of a busy but honest client fit.
const connectionBytesMax = 64 * 1024 * 1024;
const sharedBytesMax = 192 * 1024 * 1024;

/** What waits on all connections of a server. */
export interface SendBudget {
  bytes: number;
}

export interface SendFlowHooks {
  nowMs(): number;
  /** All data of a stream that is ending has left. */
  emptied(stream: OwnStream): void;
}

/** Data on its way out: what the windows of the connection and of each stream allow leaves at once, the rest waits and takes turns, a frame each. */
export class SendFlow {
  readonly #out: Outflow;
  readonly #guard: PeerGuard;
  readonly #hooks: SendFlowHooks;
  readonly #budget: SendBudget;
  readonly #waiting = new Set<OwnStream>();
  #window = defaultWindowBytes;
  #heldBack = false;
  /** What the peer gives a new stream. */
  streamWindow = defaultWindowBytes;
  /** Bytes that wait, of all streams. */
  queuedBytes = 0;
  /** The peer makes us send in crumbs. */
  flooded = false;

  constructor(out: Outflow, guard: PeerGuard, { budget, ...hooks }: SendFlowHooks & { readonly budget: SendBudget }) {
    this.#out = out;
    this.#guard = guard;
    this.#hooks = hooks;
    this.#budget = budget;
  }

  /** More waits than is kept: whoever has a choice refuses the work instead of adding to it. */
  get crowded(): boolean {
    return this.queuedBytes > connectionBytesMax || this.#budget.bytes > sharedBytesMax;
  }

  get waiting(): ReadonlySet<OwnStream> {
    return this.#waiting;
  }

  /** Something waits that was held back by what was gathered already, not by a window. */
  get ready(): boolean {
    if (this.#heldBack)
      for (const stream of this.#waiting) if (stream.queuedBytes === 0 || (this.#window > 0 && stream.sendWindow > 0)) return true;
    return false;
  }

  /** False when the stream has to wait for room before it writes more. */
  write(stream: OwnStream, data: Uint8Array): boolean {
    const at = stream.queuedBytes === 0 && stream.id !== 0 ? this.#emit(stream, data) : 0;
    if (at === data.length && !this.#out.closed) return true;
    if (this.#out.closed) this.#heldBack = true;
    if (at < data.length) {
      stream.enqueue(data, at);
      this.#count(data.length - at);
      stream.progressMs = this.#hooks.nowMs();
    }
    this.#waiting.add(stream);
    return false;
  }

  /** Grants the connection `increment` more bytes; false when that is too much. */
  widen(increment: number): boolean {
    this.#window += increment;
    return this.#window <= windowBytesMax;
  }

  /** Lets one stream send what it may. */
  pump(stream: OwnStream): void {
    while (this.#frame(stream));
    if (this.#out.closed) this.#heldBack = true;
    if (!stream.gone && stream.queuedBytes === 0 && !this.#out.closed) this.#empty(stream);
  }

  /** Lets all send what they may, in turns. */
  pumpAll(): void {
    this.#heldBack = false;
    for (let progress = true; progress;) {
      progress = false;
      for (const stream of [...this.#waiting]) {
        if (this.#out.closed) {
          this.#heldBack = true;
          return;
        }
        if (this.#frame(stream)) progress = true;
        if (!stream.gone && stream.queuedBytes === 0 && !this.#out.closed && this.#waiting.has(stream)) this.#empty(stream);
      }
    }
  }

  /** The stream is gone; what waits is dropped. */
  drop(stream: OwnStream): void {
    this.#count(-stream.queuedBytes);
    stream.queuedBytes = 0;
    stream.queue = undefined;
    if (this.#waiting.size > 0) this.#waiting.delete(stream);
  }

  #count(bytes: number): void {
    this.queuedBytes += bytes;
    this.#budget.bytes += bytes;
  }

  #empty(stream: OwnStream): void {
    this.#waiting.delete(stream);
    if (stream.ending) this.#hooks.emptied(stream);
    else if (stream.wantsDrain) {
      stream.wantsDrain = false;
      stream.handlers.drain();
    }
  }

  /** Sends as much of `data` as goes; answers where it stopped. */
  #emit(stream: OwnStream, data: Uint8Array): number {
    let at = 0;
    while (at < data.length && !this.#out.closed) {
      const count = Math.min(data.length - at, frameBytesMax, this.#window, stream.sendWindow);
      if (count <= 0) break;
      this.#send(stream, { data, at, count });
      at += count;
    }
    return at;
  }

  /** Sends one frame of what waits; false when it cannot. */
  #frame(stream: OwnStream): boolean {
    const { queue } = stream;
    const data = queue?.[0];
    if (queue === undefined || data === undefined || stream.gone || this.#out.closed) return false;
    const count = Math.min(data.length, frameBytesMax, this.#window, stream.sendWindow);
    if (count <= 0) return false;
    this.#send(stream, { data, at: 0, count });
    this.#count(-count);
    stream.queuedBytes -= count;
    stream.progressMs = this.#hooks.nowMs();
    if (count < data.length) queue[0] = partOf(data, count, data.length);
    else queue.shift();
    if (count < dribbleBytes && stream.queuedBytes > 0 && this.#guard.spend(stream.progressMs)) this.flooded = true;
    return true;
  }

  #send(stream: OwnStream, { data, at, count }: { data: Uint8Array; at: number; count: number }): void {
    this.#window -= count;
    stream.sendWindow -= count;
    this.#out.data(stream.id, count === data.length ? data : partOf(data, at, at + count));
    this.#guard.sent();
  }
}
