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

export interface DeframerOptions {
  /** Of one message, decompressed. */
  readonly bytesMax: number;
  /** Compressed messages are gzip; otherwise they are refused. */
  readonly gzip: boolean;
  /** `bytes` belong to the receiver. */
  message(bytes: Uint8Array): void;
}

/**
 * Cuts a byte stream into messages. `push` calls `message` with bytes of their own for each complete one and fails with
 * `overloaded` at the prefix of a message larger than `bytesMax`, before its bytes are kept, or with `unimplemented` for a
 * compression that was not announced.
 */
export class Deframer {
  readonly #options: DeframerOptions;
  readonly #prefix = Buffer.allocUnsafe(5);
  #prefixFilled = 0;
  #length = 0;
  #body: Buffer | undefined;
  #bodyFilled = 0;

  constructor(options: DeframerOptions) {
    this.#options = options;
  }

  /** True between messages: the stream may end here. */
  get complete(): boolean {
    return this.#prefixFilled === 0;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        const take = Math.min(5 - this.#prefixFilled, chunk.length - at);
        this.#prefix.set(chunk.subarray(at, at + take), this.#prefixFilled);
        this.#prefixFilled += take;
        at += take;
        if (this.#prefixFilled < 5) return;
        this.#open();
      }
      at += this.#fill(chunk, at);
      if (this.#bodyFilled < this.#length) return;
      const body = this.#body as Buffer;
      this.#prefixFilled = 0;
      this.#body = undefined;
      this.#options.message(this.#prefix[0] === 0 ? body : this.#inflate(body));
    }
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

  #open(): void {
    const flags = this.#prefix[0] as number;
    const length = this.#prefix.readUInt32BE(1);
    if (flags > 1) throw new ProaError('internal', `malformed gRPC frame: flags ${flags}`);
    if (flags === 1 && !this.#options.gzip)
      throw new ProaError('unimplemented', 'a compressed message came without a grpc-encoding that is supported');
    if (length > this.#options.bytesMax) throw tooLarge(`${length} bytes`, this.#options.bytesMax);
    this.#length = length;
    this.#body = Buffer.allocUnsafe(Math.min(length, firstBytes));
    this.#bodyFilled = 0;
  }

  #inflate(body: Uint8Array): Uint8Array {
    try {
      return process.getBuiltinModule('node:zlib').gunzipSync(body, { maxOutputLength: this.#options.bytesMax });
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge('more when decompressed', this.#options.bytesMax);
      throw new ProaError('internal', 'the compressed message is damaged', { cause: error });
    }
  }
}

function tooLarge(found: string, bytesMax: number): ProaError {
  return new ProaError('overloaded', `the message is too large: ${found}, the limit is ${bytesMax} bytes`, {
    hint: 'raise --max-body-size, or send less per message',
  });
}
