import { randomFillSync } from 'node:crypto';
import type { Random } from '../../kernel/ports.ts';

// One fill of the pool serves hundreds of ids: a system call per id costs thirty times as much.
const poolBytes = 8192;

/** The system's cryptographic random source behind a pool. */
export function createNodeRandom(): Random {
  const pool = Buffer.allocUnsafeSlow(poolBytes);
  let used = poolBytes;
  const take = (count: number): number => {
    if (used + count > poolBytes) {
      randomFillSync(pool);
      used = 0;
    }
    const at = used;
    used += count;
    return at;
  };
  // The pool's digits are made once per fill; an id is then a slice of that string, which copies nothing.
  let digits = '';
  let digitsUsed = 0;
  const hex = (count: number): string => {
    if (digitsUsed + count > digits.length) {
      digits = randomFillSync(Buffer.allocUnsafe(poolBytes)).toString('hex');
      digitsUsed = 0;
    }
    const at = digitsUsed;
    digitsUsed += count;
    return digits.slice(at, at + count);
  };
  return {
    hex,
    u32: () => pool.readUInt32LE(take(4)),
    bytes(count) {
      if (count > poolBytes) return randomFillSync(Buffer.allocUnsafeSlow(count));
      const at = take(count);
      return Uint8Array.prototype.slice.call(pool, at, at + count);
    },
    uuid() {
      const at = take(16);
      pool[at + 6] = ((pool[at + 6] as number) & 0x0f) | 0x40;
      pool[at + 8] = ((pool[at + 8] as number) & 0x3f) | 0x80;
      const hex = pool.toString('hex', at, at + 16);
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
    },
  };
}
