import type { Random } from '../kernel/ports.ts';

/** Makes W3C trace and span ids from the random port; all-zero ids do not occur. */
export interface TraceIds {
  /** The traceparent of a new trace, not sampled, as a line of a head of HTTP/1.1: what is written is then there already. */
  rootLine(): string;
  /** 16 lower-case hex digits. */
  spanId(): string;
}

const traceIdBytes = 16;
const spanIdBytes = 8;
const idBytes = traceIdBytes + spanIdBytes;
const rootsMade = 64;
const lineStart = 'traceparent: ';
const emptyRoot = `${lineStart}00-${'0'.repeat(traceIdBytes * 2)}-${'0'.repeat(spanIdBytes * 2)}-00\r\n`;
const noSpanId = '0'.repeat(spanIdBytes * 2);
const zeroDigit = 48;
// Both digits of a byte as one number.
const digits = Uint16Array.from({ length: 256 }, (_, byte) => Buffer.from(byte.toString(16).padStart(2, '0')).readUInt16BE(0));

/** Ids for one tracer. */
export function createTraceIds(random: Random): TraceIds {
  const roots = new Roots(random);
  return {
    rootLine: () => roots.next(),
    spanId() {
      const id = random.hex(spanIdBytes * 2);
      return id.charCodeAt(0) === zeroDigit && id === noSpanId ? `${id.slice(1)}1` : id;
    },
  };
}

/** The traceparent of such a line. */
export function parentOf(line: string): string {
  return line.slice(lineStart.length, -2);
}

/** Written in batches and cut from one flat text: joining each from its parts, and reading what was joined, costs four times as much. */
class Roots {
  readonly #random: Random;
  readonly #batch = Buffer.from(emptyRoot.repeat(rootsMade), 'latin1');
  // Unaligned stores of two bytes.
  readonly #view = new DataView(this.#batch.buffer, this.#batch.byteOffset, this.#batch.length);
  #bytes: Uint8Array = new Uint8Array(0);
  #text = '';
  #used = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): string {
    if (this.#used === this.#text.length) this.#refill();
    const at = this.#used;
    this.#used = at + emptyRoot.length;
    return this.#text.slice(at, this.#used);
  }

  #refill(): void {
    this.#bytes = this.#random.bytes(rootsMade * idBytes);
    for (let i = 0; i < rootsMade; i++) {
      const at = i * emptyRoot.length + lineStart.length + 3;
      this.#write(at, i * idBytes, traceIdBytes);
      this.#write(at + traceIdBytes * 2 + 1, i * idBytes + traceIdBytes, spanIdBytes);
    }
    this.#text = this.#batch.toString('latin1');
    this.#used = 0;
  }

  // Zero means "invalid" on the wire; it comes up once in 2^64 ids, and then any other id will do.
  #write(start: number, from: number, count: number): void {
    const view = this.#view;
    const bytes = this.#bytes;
    let seen = 0;
    for (let i = 0; i < count; i++) {
      const byte = bytes[from + i] as number;
      seen |= byte;
      view.setUint16(start + i * 2, digits[byte] as number);
    }
    if (seen === 0) this.#batch[start + count * 2 - 1] = zeroDigit + 1;
  }
}
