import { copyOf, partOf, putBytes, readU32, writeU32 } from '../../kernel/bytes.ts';
import { ProaError } from '../../kernel/errors.ts';

const firstBytes = 64 * 1024;
const scratchBytes = 16 * 1024;
const prefixBytes = 5;
// The global one is a property with a getter, which no compiler sees through.
const NodeBuffer = Buffer;

// Whoever writes a frame to a stream copies it at once, so that small ones may all stand in the same memory. Its views are kept by their length.
const scratch = NodeBuffer.allocUnsafeSlow(scratchBytes);
const views: (Buffer | undefined)[] = Array.from({ length: 1024 }, () => undefined);

function framedBytes(length: number): Buffer {
  if (length >= scratchBytes) return NodeBuffer.allocUnsafe(length);
  if (length >= views.length) return partOf(scratch, 0, length);
  return (views[length] ??= partOf(scratch, 0, length));
}

/** A message with its five-byte prefix (not compressed). Valid until the next call. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = framedBytes(message.length + prefixBytes);
  framed[0] = 0;
  writeU32(framed, 1, message.length);
  putBytes(framed, message, prefixBytes);
  return framed;
}

export interface DeframerLimits {
  /** Of one message, decompressed. */
  readonly bytesMax: number;
  /** Compressed messages are gzip; otherwise they are refused. */
  readonly gzip: boolean;
}

/** Who gets the messages; `bytes` belong to it. */
export interface MessageReceiver {
  message(bytes: Uint8Array): void;
}

/**
 * Cuts a byte stream into messages. `push` calls the receiver with bytes of their own for each complete one and fails with
 * `overloaded` at the prefix of a message larger than `bytesMax`, before its bytes are kept, or with `internal` for a
 * compression that was not announced.
 */
export class Deframer {
  readonly #receiver: MessageReceiver;
  readonly #limits: DeframerLimits;
  #prefix: Buffer | undefined = undefined;
  #prefixFilled = 0;
  #flags = 0;
  #length = 0;
  #body: Buffer | undefined = undefined;
  #bodyFilled = 0;

  constructor(receiver: MessageReceiver, limits: DeframerLimits) {
    this.#receiver = receiver;
    this.#limits = limits;
  }

  /** True between messages: the stream may end here. */
  get complete(): boolean {
    return this.#prefixFilled === 0;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#prefixFilled === 0 && chunk.length - at >= prefixBytes) {
        // Nearly every message comes whole.
        this.#open(chunk, at);
        if (this.#length <= chunk.length - at - prefixBytes) {
          at += prefixBytes + this.#length;
          this.#deliver(copyOf(chunk, at - this.#length, at));
          continue;
        }
        at += prefixBytes;
        this.#begin();
      } else if (this.#body === undefined) {
        at += this.#fillPrefix(chunk, at);
        if (this.#prefixFilled < prefixBytes) return;
        this.#open(this.#prefix as Buffer, 0);
        this.#begin();
      }
      at += this.#fill(chunk, at);
      if (this.#bodyFilled < this.#length) return;
      const body = this.#body as unknown as Buffer;
      this.#prefixFilled = 0;
      this.#body = undefined;
      this.#deliver(body);
    }
  }

  #deliver(body: Buffer): void {
    this.#receiver.message(this.#flags === 0 ? body : this.#inflate(body));
  }

  #fillPrefix(chunk: Uint8Array, at: number): number {
    this.#prefix ??= NodeBuffer.allocUnsafe(prefixBytes);
    const take = Math.min(prefixBytes - this.#prefixFilled, chunk.length - at);
    putBytes(this.#prefix, partOf(chunk, at, at + take), this.#prefixFilled);
    this.#prefixFilled += take;
    return take;
  }

  // The buffer grows with what arrives: a prefix alone reserves nothing.
  #fill(chunk: Uint8Array, at: number): number {
    const take = Math.min(this.#length - this.#bodyFilled, chunk.length - at);
    let body = this.#body as Buffer;
    if (this.#bodyFilled + take > body.length) {
      const grown = NodeBuffer.allocUnsafe(Math.min(this.#length, Math.max(body.length * 2, this.#bodyFilled + take)));
      putBytes(grown, partOf(body, 0, this.#bodyFilled), 0);
      body = grown;
      this.#body = body;
    }
    putBytes(body, take === chunk.length ? chunk : partOf(chunk, at, at + take), this.#bodyFilled);
    this.#bodyFilled += take;
    return take;
  }

  #open(bytes: Uint8Array, at: number): void {
    const flags = bytes[at] as number;
    const length = readU32(bytes, at + 1);
    if (flags > 1) throw new ProaError('internal', `malformed gRPC frame: flags ${flags}`);
    if (flags === 1 && !this.#limits.gzip) throw new ProaError('internal', 'a compressed message came without a grpc-encoding');
    if (length > this.#limits.bytesMax) throw tooLarge(`${length} bytes`, this.#limits.bytesMax);
    this.#flags = flags;
    this.#length = length;
  }

  #begin(): void {
    this.#prefixFilled = prefixBytes;
    this.#body = NodeBuffer.allocUnsafe(Math.min(this.#length, firstBytes));
    this.#bodyFilled = 0;
  }

  #inflate(body: Uint8Array): Uint8Array {
    try {
      return process.getBuiltinModule('node:zlib').gunzipSync(body, { maxOutputLength: this.#limits.bytesMax });
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('more when decompressed', this.#limits.bytesMax);
      throw new ProaError('internal', 'the compressed message is damaged', { cause: error });
    }
  }
}

function tooLarge(found: string, bytesMax: number): ProaError {
  return new ProaError('overloaded', `the message is too large: ${found}, the limit is ${bytesMax} bytes`, {
    hint: 'raise --max-body-size, or send less per message',
  });
}
