import type { Body } from '../../kernel/body.ts';
import { base64, headerBytesMax, parseManifest, schemeName, type Manifest } from './enc-v1.ts';
import { peelBody } from './peel.ts';

export interface Header {
  readonly manifest: Manifest;
  /** The first two lines exactly as they came, line feeds included: the MAC is over these bytes, never over what was parsed from them. */
  readonly firstLines: Uint8Array;
  readonly mac: Uint8Array;
}

const lineFeed = 0x0a;

/** Reads the three lines of the header and answers with the segments that follow. Errors begin with `invalid header`. */
export function readHeader(body: Body): Promise<{ readonly value: Header; readonly rest: Body }> {
  let buffer = Buffer.alloc(1024);
  let seen = buffer.subarray(0, 0);
  const ends: number[] = [];
  return peelBody(body, {
    chunk(chunk) {
      const before = seen.length;
      const added = chunk.subarray(0, headerBytesMax - before);
      // Grown by doubling: a header that comes byte by byte must not cost its square.
      while (buffer.length < before + added.length) buffer = Buffer.concat([buffer, Buffer.alloc(buffer.length)]);
      buffer.set(added, before);
      seen = buffer.subarray(0, before + added.length);
      for (let at = seen.indexOf(lineFeed, before); at >= 0 && ends.length < 3; at = seen.indexOf(lineFeed, at + 1)) ends.push(at);
      refuseOtherScheme(seen, ends[0]);
      const [, , end] = ends;
      if (end !== undefined) return { value: parse(seen, ends), restFrom: end + 1 - before };
      if (seen.length >= headerBytesMax) throw new Error('invalid header: header is too long');
      return undefined;
    },
    end() {
      const missing = ['scheme name', 'manifest', 'message authentication code'][ends.length];
      throw new Error(`invalid header: ${missing} not found`);
    },
  });
}

// Known as early as its first byte that differs: what is not ciphertext at all is not read to the end.
function refuseOtherScheme(seen: Uint8Array, end: number | undefined): void {
  const expected = `${schemeName}\n`;
  const given = Buffer.from(seen.subarray(0, Math.min(end === undefined ? seen.length : end + 1, expected.length))).toString('latin1');
  if (!expected.startsWith(given) || (end !== undefined && given !== expected)) throw new Error('invalid header: unsupported scheme');
}

function parse(seen: Uint8Array, ends: readonly number[]): Header {
  const [first = 0, second = 0, third = 0] = ends;
  const bytes = Buffer.from(seen.buffer, seen.byteOffset, seen.length);
  const manifest = parseManifest(bytes.toString('utf8', first + 1, second));
  if (manifest === undefined) throw new Error('invalid header: invalid manifest');
  const mac = base64(bytes.toString('latin1', second + 1, third));
  if (mac === undefined || mac.length === 0) throw new Error("failed to decode header's signature: illegal base64 data");
  return { manifest, firstLines: bytes.subarray(0, second + 1), mac };
}
