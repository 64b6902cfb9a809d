import { isTraceparent } from '../../kernel/trace-context.ts';

// OpenCensus's binary form: version 0, then field 0 (16 bytes of trace id), field 1 (8 bytes of span id), field 2 (one byte of options).

/** The value of `grpc-trace-bin` for a traceparent that is valid: base64 without padding. */
export function toTraceBin(traceparent: string): string {
  const binary = Buffer.from(`0000${traceparent.slice(3, 35)}01${traceparent.slice(36, 52)}02${traceparent.slice(53, 55)}`, 'hex');
  return binary.toString('base64').replace(/=+$/, '');
}

/** The traceparent that a `grpc-trace-bin` says; empty when it says none. */
export function fromTraceBin(text: string | undefined): string {
  if (text === undefined) return '';
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 29 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[18] !== 1 || bytes[27] !== 2) return '';
  const traceparent = `00-${bytes.toString('hex', 2, 18)}-${bytes.toString('hex', 19, 27)}-${bytes.toString('hex', 28, 29)}`;
  return isTraceparent(traceparent) ? traceparent : '';
}
