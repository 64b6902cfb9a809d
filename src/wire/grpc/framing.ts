import { ProaError } from '../../kernel/errors.ts';

const firstBytes = 64 * 1024;

/** A message with its five-byte prefix (not compressed), in one buffer of its own. */
export function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.allocUnsafe(message.length + 5);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
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
      if (this.#prefixFilled === 0 && chunk.length - at >= 5) {
        // Nearly every message comes whole.
        this.#open(chunk, at);
        if (this.#length <= chunk.length - at - 5) {
          at += 5 + this.#length;
          this.#deliver(Buffer.from(chunk.subarray(at - this.#length, at)));
          continue;
        }
        at += 5;
        this.#begin();
      } else if (this.#body === undefined) {
        at += this.#fillPrefix(chunk, at);
        if (this.#prefixFilled < 5) return;
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
    this.#prefix ??= Buffer.allocUnsafe(5);
    const take = Math.min(5 - this.#prefixFilled, chunk.length - at);
    this.#prefix.set(chunk.subarray(at, at + take), this.#prefixFilled);
    this.#prefixFilled += take;
    return take;
  }

  // The buffer grows with what arrives: a prefix alone reserves nothing.
  #fill(chunk: Uint8Array, at: number): number {
    const take = Math.min(this.#length - this.#bodyFilled, chunk.length - at);
    let body = this.#body as Buffer;
    if (this.#bodyFilled + take > body.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.#length, Math.max(body.length * 2, this.#bodyFilled + take)));
      grown.set(body.subarray(0, this.#bodyFilled));
      body = grown;
      this.#body = body;
    }
    body.set(take === chunk.length ? chunk : chunk.subarray(at, at + take), this.#bodyFilled);
    this.#bodyFilled += take;
    return take;
  }

  #open(bytes: Uint8Array, at: number): void {
    const flags = bytes[at] as number;
    const length =
      (bytes[at + 1] as number) * 2 ** 24 +
      (((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 8) | (bytes[at + 4] as number));
    if (flags > 1) throw new ProaError('internal', `malformed gRPC frame: flags ${flags}`);
    if (flags === 1 && !this.#limits.gzip) throw new ProaError('internal', 'a compressed message came without a grpc-encoding');
    if (length > this.#limits.bytesMax) throw tooLarge(`${length} bytes`, this.#limits.bytesMax);
    this.#flags = flags;
    this.#length = length;
  }

  #begin(): void {
    this.#prefixFilled = 5;
    this.#body = Buffer.allocUnsafe(Math.min(this.#length, firstBytes));
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
