import { nodeCrypto } from '../../kernel/node-crypto.ts';

/** Random numbers and UUIDs that are the same in every replay: each follows from the execution, what it is for and how many came before. */
export class Seeds {
  readonly #executionId: string;
  readonly #counts = new Map<string, number>();

  constructor(executionId: string) {
    this.#executionId = executionId;
  }

  /** Uniform, from 0 to below 1. */
  random(): number {
    const bytes = this.#next('random');
    return Number(bytes.readBigUInt64BE(0) >> 11n) / 2 ** 53;
  }

  /** In the form of version 4. */
  uuid(use: string): string {
    const bytes = this.#next(use);
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
    const hex = bytes.toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
  }

  #next(use: string): Buffer {
    const count = this.#counts.get(use) ?? 0;
    this.#counts.set(use, count + 1);
    return nodeCrypto().createHash('sha256').update(`${this.#executionId}/${use}/${count}`).digest();
  }
}
