import { posix } from 'node:path';
import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import type { CryptoProvider } from '../../contracts/crypto.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { parseKey } from '../../contracts/key-bytes.ts';
import { createLocalCryptoProvider, type LocalKey } from '../../contracts/local-keys.ts';
import type { config } from './config.ts';

const keyBytesMax = 64 * 1024;

/** Keys from files, read at each use, so that a replaced file counts at once. */
export async function openLocalKeys(options: InferOutput<typeof config>, context: DriverContext): Promise<CryptoProvider> {
  const { disk } = context.ports;
  const stat = await disk.stat(options.path);
  if (stat?.kind !== 'directory') {
    const why = stat === undefined ? 'does not exist' : 'is not a directory';
    throw new ProaError('component.init-failed', `crypto provider ${context.name}: path '${options.path}' ${why}`);
  }
  const root = await disk.realPath(options.path);
  return createLocalCryptoProvider({ find: (name) => findKey(disk, root, name), close: async () => {} });
}

async function findKey(disk: Disk, root: string, name: string): Promise<LocalKey | undefined> {
  if (name.includes('..') || name.includes('\0')) throw new Error("invalid key path: cannot contain '..'");
  const path = posix.join(root, name);
  const stat = await disk.stat(path);
  if (stat?.kind !== 'file') return undefined;
  // Mounted secrets are links within their directory; a link out of it could make any file of the machine a key.
  const real = await disk.realPath(path);
  if (!real.startsWith(`${root}/`)) throw new Error(`key '${name}' lies outside of the key directory`);
  if (stat.sizeBytes > keyBytesMax) throw new Error(`key '${name}' is larger than ${keyBytesMax} bytes`);
  const bytes = Buffer.from(await disk.readFile(real));
  try {
    return parseKey(bytes, posix.extname(name).toLowerCase());
  } catch (cause) {
    throw new Error(`failed to parse key '${name}': ${(cause as Error).message}`, { cause });
  }
}
