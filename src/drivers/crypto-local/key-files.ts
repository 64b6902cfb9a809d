import { createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import { posix } from 'node:path';
import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import type { CryptoProvider } from '../../contracts/crypto.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { createLocalCryptoProvider, keyOfJwk, type LocalKey } from '../../contracts/local-keys.ts';
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

/** Tells the kind by the extension (.json, .pem), else by the content, as Dapr does. */
function parseKey(bytes: Buffer, extension: string): LocalKey {
  if (bytes.length === 0) throw new Error('key is empty');
  const rawKey = [16, 24, 32].includes(bytes.length);
  if (extension === '.json' || (extension !== '.pem' && bytes[0] === 0x7b && !rawKey)) return keyOfJwk(parseJson(bytes));
  if (extension === '.pem' || bytes.toString('latin1', 0, 5) === '-----') return keyOfPem(bytes.toString('latin1'));
  return { key: createSecretKey(base64Or(bytes)) };
}

function keyOfPem(pem: string): LocalKey {
  try {
    return { key: pem.includes('PRIVATE KEY-----') ? createPrivateKey(pem) : createPublicKey(pem) };
  } catch (cause) {
    throw new Error('it is not a valid PEM key (PKCS#1, PKCS#8, SPKI or a certificate; not encrypted)', { cause });
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Error('it is not valid JSON');
  }
}

function base64Or(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1').replace(/[\n=]+$/, '');
  if (/^[A-Za-z0-9+/]+$/.test(text) && text.length % 4 !== 1) return Buffer.from(text, 'base64');
  if (/^[A-Za-z0-9_-]+$/.test(text) && text.length % 4 !== 1) return Buffer.from(text, 'base64url');
  return bytes;
}
