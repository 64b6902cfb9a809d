import { ProaError } from '../kernel/errors.ts';
import type { Address } from '../kernel/ports.ts';

/** Listens; a port that somebody else has is `config.port-taken`, with its number. */
export async function listening<T>(listen: () => Promise<T>, port: number): Promise<T> {
  try {
    return await listen();
  } catch (cause) {
    const code = (cause as { code?: string }).code;
    if (code === 'EADDRINUSE') throw new ProaError('config.port-taken', `port ${port} is in use by another process`, { cause });
    throw cause;
  }
}

/** The port of an address; 0 for a socket that has a path. */
export function portOf(address: Address): number {
  return 'path' in address ? 0 : address.port;
}
