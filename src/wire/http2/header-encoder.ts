import { copyOf, partOf, writeLatin1 } from '../../kernel/bytes.ts';
import { ProaError } from '../../kernel/errors.ts';
import { staticTable } from './header-table.ts';
import type { HeaderList } from './http2.ts';
import { keptOf } from './stable-headers.ts';

// Literals only, without Huffman and without a dynamic table: a list then has one encoding on all connections, which can be kept.
const names = new Map<string, number>();
const fields = new Map<string, Map<string, number>>();
for (const [i, { name, value }] of staticTable.entries()) {
  if (!names.has(name)) names.set(name, i + 1);
  if (value !== '') fields.set(name, (fields.get(name) ?? new Map<string, number>()).set(value, i + 1));
}

// No intermediary may keep these in a table (RFC 7541, section 7.1.3).
const secret = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'proxy-authorization',
  'dapr-api-token',
  'dapr-app-token',
  'proa-api-token',
]);

let scratch = Buffer.allocUnsafeSlow(4096);

/**
 * The header block of a list. Valid until the next call, unless the list is stable. Fails with `bad-request` for names and values that cannot stand in
 * HTTP/2: nothing that came from elsewhere leaves unchecked.
 */
export function encodeHeaders(headers: HeaderList): Buffer {
  const kept = keptOf(headers);
  if (kept?.encoded !== undefined) return kept.encoded;
  const block = encode(headers);
  if (kept === undefined) return block;
  kept.encoded = copyOf(block, 0, block.length);
  return kept.encoded;
}

function encode(headers: HeaderList): Buffer {
  let room = 0;
  for (const text of headers) room += text.length + 6;
  if (room > scratch.length) scratch = Buffer.allocUnsafeSlow(room * 2);
  let at = 0;
  for (let i = 0; i < headers.length; i += 2) at = field(at, headers[i] as string, headers[i + 1] as string);
  return partOf(scratch, 0, at);
}

function field(from: number, name: string, value: string): number {
  const whole = fields.get(name)?.get(value);
  if (whole !== undefined) {
    scratch[from] = 0x80 | whole;
    return from + 1;
  }
  if (!allowedValue.test(value))
    throw new ProaError('bad-request', `the header ${JSON.stringify(name)} has a value that HTTP/2 does not allow`);
  const flags = secret.has(name) ? 0x10 : 0;
  const index = names.get(name);
  let at = from;
  if (index === undefined) {
    if (!allowedName.test(name)) throw new ProaError('bad-request', `the header name ${JSON.stringify(name)} is not allowed in HTTP/2`);
    scratch[at++] = flags;
    at = text(at, name);
  } else at = integer(at, { flags, mask: 15, value: index });
  return text(at, value);
}

function text(from: number, value: string): number {
  const { length } = value;
  let at = from;
  if (length < 127) scratch[at++] = length;
  else at = integer(at, { flags: 0, mask: 127, value: length });
  return at + writeLatin1(scratch, value, at, length);
}

function integer(from: number, what: { readonly flags: number; readonly mask: number; readonly value: number }): number {
  const { flags, mask, value } = what;
  let at = from;
  if (value < mask) {
    scratch[at++] = flags | value;
    return at;
  }
  scratch[at++] = flags | mask;
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) scratch[at++] = (rest & 127) | 128;
  scratch[at++] = rest;
  return at;
}

const allowedName = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const allowedValue = /^[\t\x20-\x7e\x80-\xff]*$/;
