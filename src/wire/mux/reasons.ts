import type { ErrorCode } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import { closeCodes } from './frame.ts';

const names = new Map<number, string>(Object.entries(closeCodes).map(([name, code]) => [code, name]));

/** What a reset of the peer means for the call. `refused` alone says that nothing was begun. */
export function errorOfReset(code: number, reason: string, remote: string): ProaError {
  const text = reason === '' ? (names.get(code) ?? `code ${code}`) : reason;
  switch (code) {
    case closeCodes.cancelled:
      return new ProaError('cancelled', text);
    case closeCodes.deadline:
      return new ProaError('deadline-exceeded', text);
    case closeCodes.refused:
      return new ProaError('unavailable', `${remote} took no more calls: ${text}`);
    default:
      return new ProaError('peer.broken', `${remote} gave the call up: ${text}`);
  }
}

/** What a `goaway` that ends the connection means for the calls on it. */
export function errorOfGoaway(code: number, reason: string, remote: string): ProaError {
  if (code === closeCodes.identity) return new ProaError('peer.identity', `${remote} refuses our certificate: ${reason}`);
  return new ProaError('peer.broken', `${remote} ended the connection: ${reason === '' ? (names.get(code) ?? `code ${code}`) : reason}`);
}

const codes: Partial<Record<ErrorCode, number>> = {
  cancelled: closeCodes.cancelled,
  'deadline-exceeded': closeCodes.deadline,
  overloaded: closeCodes.limit,
  'peer.protocol': closeCodes.protocol,
};

/** The code under which an error of ours is told to the peer. */
export function codeOf(error: ProaError): number {
  return codes[error.code] ?? closeCodes.internal;
}
