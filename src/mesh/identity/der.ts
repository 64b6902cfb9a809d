/** Writes DER (X.690), as much of it as certificates and signing requests need. Every function gives a whole element. */
export const der = {
  sequence: (...parts: readonly Uint8Array[]): Buffer => element(0x30, parts),
  set: (...parts: readonly Uint8Array[]): Buffer => element(0x31, parts),
  oid: (dotted: string): Buffer => element(0x06, [oidBytes(dotted)]),
  /** A positive integer of any size, big endian. */
  integer: (bytes: Uint8Array): Buffer => element(0x02, [positive(bytes)]),
  boolean: (value: boolean): Buffer => element(0x01, [Buffer.from([value ? 0xff : 0])]),
  null: (): Buffer => element(0x05, []),
  octets: (...parts: readonly Uint8Array[]): Buffer => element(0x04, parts),
  /** A bit string of whole bytes, or with `unused` bits at its end. */
  bits: (bytes: Uint8Array, unused = 0): Buffer => element(0x03, [Buffer.from([unused]), bytes]),
  utf8: (text: string): Buffer => element(0x0c, [Buffer.from(text, 'utf8')]),
  time: (ms: number): Buffer => timeElement(new Date(ms)),
  /** `[tag]` around whole elements. */
  explicit: (tag: number, ...parts: readonly Uint8Array[]): Buffer => element(0xa0 | tag, parts),
  /** `[tag]` in place of a primitive element's own tag. */
  implicit: (tag: number, content: Uint8Array): Buffer => element(0x80 | tag, [content]),
} as const;

function element(tag: number, parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  return Buffer.concat([Buffer.from([tag]), lengthBytes(length), ...parts]);
}

function lengthBytes(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return length < 0x1_0000
    ? Buffer.from([0x82, length >> 8, length & 0xff])
    : Buffer.from([0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]);
}

function positive(bytes: Uint8Array): Uint8Array {
  let at = 0;
  while (at < bytes.length - 1 && bytes[at] === 0) at++;
  const rest = bytes.subarray(at);
  return (rest[0] ?? 0) < 0x80 && rest.length > 0 ? rest : Buffer.concat([Buffer.from([0]), rest]);
}

function oidBytes(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes: number[] = [first * 40 + second];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return Buffer.from(bytes);
}

// UTCTime until 2049, GeneralizedTime from then on (RFC 5280, 4.1.2.5).
function timeElement(date: Date): Buffer {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '');
  return date.getUTCFullYear() < 2050 ? element(0x17, [Buffer.from(digits.slice(2))]) : element(0x18, [Buffer.from(digits)]);
}
