import type { DriverContext } from '../../contracts/driver.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
import type { Metadata } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createVaultClient, encodePath, type VaultClient, type VaultOptions } from './vault-client.ts';

const secretsMax = 10_000;
const depthMax = 32;
const parallelReads = 8;
/** Vault refuses paths with other characters, so there are no such names. */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]*$/u;

/** Secrets of Vault's KV engine, version 2. Nothing is kept: every question goes to Vault. */
export async function openVaultSecrets(options: VaultOptions, context: DriverContext): Promise<SecretStore> {
  let client: VaultClient;
  try {
    client = await createVaultClient(options, context);
  } catch (cause) {
    throw new ProaError('component.init-failed', `secretstores.hashicorp.vault: ${(cause as Error).message}`, { cause });
  }
  const prefix = options.vaultKVUsePrefix ? encodePath(options.vaultKVPrefix) : '';
  const below = (area: 'data' | 'metadata', name: string): string =>
    [area, prefix, encodePath(name)].filter((part) => part !== '').join('/');
  const get = async (name: string, metadata: Metadata): Promise<Secret | undefined> => {
    // Vault resolves what would lead out of the prefix.
    if (!printable.test(name) || name.split('/').some((part) => part === '' || part === '.' || part === '..')) return undefined;
    const version = metadata['version_id'];
    const document = await client.get(below('data', name), version === undefined ? '' : `?version=${encodeURIComponent(version)}`);
    const data = (document as { data?: { data?: unknown } } | undefined)?.data?.data;
    // A version that was deleted answers without data.
    return typeof data === 'object' && data !== null ? secretOf(name, data, options.vaultValueType) : undefined;
  };
  return {
    capabilities: options.vaultValueType === 'map' ? ['MULTIPLE_KEY_VALUES_PER_SECRET'] : [],
    get,
    async bulkGet(metadata) {
      const names = await allNames(client, (path) => below('metadata', path));
      const found: [string, Secret][] = [];
      let next = 0;
      const lane = async (): Promise<void> => {
        for (let name = names[next++]; name !== undefined; name = names[next++]) {
          const secret = await get(name, metadata);
          if (secret !== undefined) found.push([name, secret]);
        }
      };
      // When one fails, all fails: the others need not go on.
      await Promise.all(Array.from({ length: parallelReads }, lane)).finally(() => (next = names.length));
      return Object.fromEntries(found);
    },
    async ping() {
      await client.get(below('metadata', ''), '?list=true');
    },
    close: async () => {},
  };
}

function secretOf(name: string, data: object, type: 'map' | 'text'): Secret {
  if (type === 'text') return { [name]: JSON.stringify(data) };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]));
}

/** The names of all secrets, those in folders with their path. */
async function allNames(client: VaultClient, pathOf: (path: string) => string): Promise<string[]> {
  const names: string[] = [];
  const folders: string[] = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const document = (await client.get(pathOf(folder), '?list=true')) as { data?: { keys?: readonly string[] } } | undefined;
    for (const key of document?.data?.keys ?? []) (key.endsWith('/') ? folders : names).push(folder + key);
    const deep = folders.find((path) => path.split('/').length > depthMax);
    if (names.length > secretsMax || folders.length > secretsMax || deep !== undefined)
      throw new ProaError(
        'overloaded',
        `Vault holds more than ${secretsMax} secrets, or folders in more than ${depthMax} levels: ask for names`,
      );
  }
  return names;
}
