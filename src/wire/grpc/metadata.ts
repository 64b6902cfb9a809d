import { ProaError } from '../../kernel/errors.ts';
import type { HeaderList } from '../http2/http2.ts';

/** The last value of a header, or undefined. `name` is lower case. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let i = headers.length - 2; i >= 0; i -= 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** The values of a binary header (`*-bin`), decoded; a header line may carry several, divided by commas. */
export function binaryValues(headers: HeaderList, name: string): Uint8Array[] {
  const values: Uint8Array[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) for (const part of (headers[i + 1] as string).split(',')) values.push(Buffer.from(part.trim(), 'base64'));
  }
  return values;
}

/** How a value of a binary header is written: base64 without padding. */
export function binaryText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replace(/=+$/, '');
}

const reserved = /^(?::|grpc-(?!trace-bin$|tags-bin$|previous-rpc-attempts$)|content-type$|te$|connection$|host$|date$|user-agent$)/;

/** What belongs to the application: everything but pseudo headers and what gRPC itself uses. */
export function applicationMetadata(headers: HeaderList): string[] {
  const metadata: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!reserved.test(name)) metadata.push(name, headers[i + 1] as string);
  }
  return metadata;
}

/** Checks one metadata entry of our own side. Fails with `bad-request` for names and values that cannot be on the wire. */
export function checkMetadata(name: string, value: string): void {
  if (!/^[a-z0-9_.-]{1,256}$/.test(name)) throw new ProaError('bad-request', `metadata name ${JSON.stringify(name)} is not allowed`);
  if (!/^[\x20-\x7e]*$/.test(value)) throw new ProaError('bad-request', `metadata ${name} holds characters that are not printable ASCII`);
}

/** `grpc-message` on the wire: printable ASCII but `%`, the rest percent-encoded UTF-8. */
export function encodeMessage(text: string): string {
  return /^[\x20-\x24\x26-\x7e]*$/.test(text)
    ? text
    : Buffer.from(text)
        .toString('latin1')
        .replace(/[^\x20-\x24\x26-\x7e]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The text of a `grpc-message`; what is not properly encoded stays as it is. */
export function decodeMessage(text: string): string {
  if (!text.includes('%')) return text;
  const bytes = text.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
