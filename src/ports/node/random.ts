import { hexText, latin1Text, readU32 } from '../../kernel/bytes.ts';
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
  // An id is a text of its own: a piece of a longer one would keep that in memory, 18 KB for each id that somebody keeps.
  let uuids: Buffer = Buffer.alloc(0);
  let uuidsUsed = 0;
  let uuidsBytes = uuidsBytesFirst;
  return {
    hex(count) {
      const bytes = (count + 1) >> 1;
      const at = take(bytes);
      const digits = hexText(pool, at, at + bytes);
      return digits.length === count ? digits : digits.slice(0, count);
    },
    u32: () => readU32(pool, take(4)),
    bytes(count) {
      if (count > poolBytes) return fill(Buffer.allocUnsafeSlow(count));
      const at = take(count);
      return Uint8Array.prototype.slice.call(pool, at, at + count);
    },
    uuid() {
      if (uuidsUsed === uuids.length) {
        uuids = uuidsOf(fill(Buffer.allocUnsafe(uuidsBytes)));
        uuidsUsed = 0;
        // Whoever needs many pays for fewer ways into the kernel.
        uuidsBytes = Math.min(uuidsBytes * 2, uuidsBytesMax);
      }
      uuidsUsed += uuidChars;
      return latin1Text(uuids, uuidsUsed - uuidChars, uuidsUsed);
    },
  };
}

// Four times as many at once would make the engine compile the loop below at every start, for 4 MB of memory.
const uuidsBytesFirst = 1024;
const uuidsBytesMax = 8192;
const uuidChars = 36;

/** Version 4 UUIDs, one behind the other, from 16 random bytes each. */
function uuidsOf(bytes: Buffer): Buffer {
  const text = Buffer.allocUnsafe((bytes.length / 16) * uuidChars);
  let at = 0;
  for (let i = 0; i < bytes.length; i++) {
    const place = i & 15;
    const byte = bytes[i] as number;
    const value = place === 6 ? (byte & 0x0f) | 0x40 : place === 8 ? (byte & 0x3f) | 0x80 : byte;
    if (place === 4 || place === 6 || place === 8 || place === 10) text[at++] = 0x2d;
    text[at++] = hexDigits[value >> 4] as number;
    text[at++] = hexDigits[value & 15] as number;
  }
  return text;
}

const hexDigits = Buffer.from('0123456789abcdef');

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
