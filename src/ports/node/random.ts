import { openSync, readSync } from 'node:fs';
import { nodeCrypto } from '../../kernel/node-crypto.ts';
import type { Random } from '../../kernel/ports.ts';

// One fill of the pool serves hundreds of ids: a system call per id costs thirty times as much.
const poolBytes = 8192;

/** The system's cryptographic random source behind a pool. */
export function createNodeRandom(): Random {
  const fill = createFill();
  const pool = Buffer.allocUnsafeSlow(poolBytes);
  let used = poolBytes;
  const take = (count: number): number => {
    if (used + count > poolBytes) {
      fill(pool);
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
      digits = fill(Buffer.allocUnsafe(poolBytes)).toString('hex');
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
      if (count > poolBytes) return fill(Buffer.allocUnsafeSlow(count));
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

/**
 * Fills buffers from the kernel's generator. Read as a device it needs no crypto module, which a start would have to load for its first id;
 * where there is no such device, the module it is.
 */
function createFill(): (buffer: Buffer) => Buffer {
  let device: number | undefined;
  const throughModule = (buffer: Buffer): Buffer => nodeCrypto().randomFillSync(buffer);
  const throughDevice = (buffer: Buffer): Buffer => {
    device ??= openSync('/dev/urandom', 'r');
    for (let at = 0; at < buffer.length;) {
      const count = readSync(device, buffer, at, buffer.length - at, null);
      if (count === 0) throw new Error('the random device ended');
      at += count;
    }
    return buffer;
  };
  let source = throughDevice;
  return (buffer) => {
    try {
      return source(buffer);
    } catch (error) {
      if (source === throughModule) throw error;
      source = throughModule;
      return source(buffer);
    }
  };
}
