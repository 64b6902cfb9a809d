import { dirname } from 'node:path';
import { ProaError } from '../kernel/errors.ts';
import type { Address } from '../kernel/ports.ts';

/** Listens at the address. What the system refuses is `config.port-taken` or `config.invalid`, with the address and what to do. */
export async function listening<T>(listen: () => Promise<T>, address: Address): Promise<T> {
  try {
    return await listen();
  } catch (cause) {
    throw refusal((cause as { code?: string }).code, address, cause) ?? cause;
  }
}

function refusal(code: string | undefined, address: Address, cause: unknown): ProaError | undefined {
  if ('path' in address) return refusedSocket(code, address.path, cause);
  const { host, port } = address;
  switch (code) {
    case 'EADDRINUSE':
      return new ProaError('config.port-taken', `port ${port} is in use by another process`, { cause });
    case 'EACCES':
      return invalid(`this user may not listen on port ${port}`, cause, 'ports below 1024 belong to the system: choose a higher one');
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return invalid(
        `"${host}" is no address of this machine: nothing can listen there`,
        cause,
        '127.0.0.1 is this machine alone, 0.0.0.0 all its addresses',
      );
    default:
      return undefined;
  }
}

function refusedSocket(code: string | undefined, path: string, cause: unknown): ProaError | undefined {
  const what = `the socket ${path} cannot be made`;
  if (code === 'EADDRINUSE') return new ProaError('config.port-taken', `the socket ${path} is in use by another process`, { cause });
  // Node says EACCES also of a folder that is not there.
  if (code === 'EACCES' || code === 'ENOENT') return invalid(what, cause, `${dirname(path)} must be a folder that this user may write to`);
  return code === 'ENAMETOOLONG' ? invalid(what, cause, 'its path is too long: a shorter folder is needed') : undefined;
}

function invalid(message: string, cause: unknown, hint: string): ProaError {
  return new ProaError('config.invalid', message, { cause, hint });
}

/** The port of an address; 0 for a socket that has a path. */
export function portOf(address: Address): number {
  return 'path' in address ? 0 : address.port;
}
