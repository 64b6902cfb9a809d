import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import type { CryptoProvider } from '../../contracts/crypto.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { fetchJson } from '../../contracts/fetch-bytes.ts';
import { createLocalCryptoProvider, keyOfJwk, type LocalKey } from '../../contracts/local-keys.ts';
import type { config } from './config.ts';

const documentBytesMax = 1024 * 1024;

type KeySet = ReadonlyMap<string, LocalKey>;

interface Source {
  load(): Promise<KeySet>;
  /** Undefined: what was loaded never grows old. */
  readonly refreshMs: number | undefined;
}

/**
 * Keys of a JWK set. One from a URL or a file is read again when it has reached its age, in the background: the old keys serve until the new ones are there,
 * and longer when they cannot be had. A name that is missing in an old set waits for the new one.
 */
export async function openJwks(options: InferOutput<typeof config>, context: DriverContext): Promise<CryptoProvider> {
  const { clock } = context.ports;
  const source = sourceOf(options, context);
  let keys: KeySet;
  try {
    keys = await source.load();
  } catch (cause) {
    throw new ProaError('component.init-failed', `crypto provider ${context.name}: ${(cause as Error).message}`, { cause });
  }
  let loadedAt = clock.mono();
  let loading: Promise<void> | undefined;
  const reload = async (): Promise<void> => {
    try {
      keys = await source.load();
    } catch (error) {
      context.log.warn('the key set cannot be refreshed; the last one stays', { component: context.name, error: (error as Error).message });
    }
    loadedAt = clock.mono();
    loading = undefined;
  };
  return createLocalCryptoProvider({
    async find(name) {
      if (source.refreshMs !== undefined && clock.mono() - loadedAt >= source.refreshMs) loading ??= reload();
      if (!keys.has(name)) await loading;
      return keys.get(name);
    },
    close: async () => {},
  });
}

function sourceOf(options: InferOutput<typeof config>, context: DriverContext): Source {
  const { clock, disk } = context.ports;
  const given = options.jwks.trim();
  if (/^https?:\/\//i.test(given)) {
    const request = { http: context.http, clock, url: given, timeoutMs: options.requestTimeout, bytesMax: documentBytesMax };
    return { load: async () => keySetOf(await fetchJson(request)), refreshMs: Math.max(1_000, options.minRefreshInterval) };
  }
  const inline = inlineDocument(given);
  if (inline !== undefined) return { load: async () => keySetOf(parse(inline)), refreshMs: undefined };
  return { load: async () => keySetOf(parse(await readKeyFile(disk, given))), refreshMs: 5_000 };
}

function inlineDocument(given: string): string | undefined {
  if (given.startsWith('{')) return given;
  if (!/^[A-Za-z0-9+/\s]+={0,2}$/.test(given)) return undefined;
  const decoded = Buffer.from(given, 'base64').toString('utf8').trim();
  return decoded.startsWith('{') ? decoded : undefined;
}

async function readKeyFile(disk: DriverContext['ports']['disk'], path: string): Promise<string> {
  const stat = await disk.stat(path).catch(() => undefined);
  // The text may be a mistyped key set: it must not be quoted.
  if (stat?.kind !== 'file')
    throw new Error('jwks is neither a key set in JSON or base64, nor an http or https URL, nor the path of a file');
  if (stat.sizeBytes > documentBytesMax) throw new Error(`${path} is larger than ${documentBytesMax} bytes`);
  return Buffer.from(await disk.readFile(path)).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the key set is not valid JSON');
  }
}

function keySetOf(document: unknown): KeySet {
  const list = (document as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(list)) throw new Error('the key set has no list "keys"');
  const keys = new Map<string, LocalKey>();
  for (const [index, jwk] of list.entries()) {
    const { kid, kty } = (jwk ?? {}) as { kid?: unknown; kty?: unknown };
    // RFC 7517, section 5: keys of unknown types are left out. Without a name a key cannot be asked for.
    if (typeof kid !== 'string' || !['oct', 'RSA', 'EC', 'OKP'].includes(String(kty))) continue;
    try {
      if (!keys.has(kid)) keys.set(kid, keyOfJwk(jwk));
    } catch (cause) {
      throw new Error(`key ${index} of the key set ("${kid}"): ${(cause as Error).message}`, { cause });
    }
  }
  return keys;
}
