import type { InferOutput } from 'valibot';
import { ProaError } from '../../kernel/errors.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import type { Secret, SecretStore } from '../../contracts/secrets.ts';
import type { config } from './config.ts';
import { secretsOf } from './flatten.ts';

const fileBytesMax = 4 * 1024 * 1024;
const checkEveryMs = 5_000;

/**
 * Secrets from a JSON file, read when opened and again when the file changed (Dapr reads once). A file that cannot be read any more leaves the last good
 * secrets in place and a warning in the log: editors save in more than one step.
 */
export async function openFileSecrets(options: InferOutput<typeof config>, context: DriverContext): Promise<SecretStore> {
  const { clock, disk } = context.ports;
  const path = options.secretsFile;
  const read = async () => {
    const stat = await disk.stat(path);
    if (stat === undefined) throw new Error('there is no such file');
    if (stat.sizeBytes > fileBytesMax) throw new Error(`the file is larger than ${fileBytesMax} bytes`);
    return { stamp: `${stat.mtimeMs} ${stat.sizeBytes}`, secrets: secretsOf(await disk.readFile(path), options) };
  };
  let current: { stamp: string; secrets: ReadonlyMap<string, Secret> };
  try {
    current = await read();
  } catch (cause) {
    throw new ProaError('component.init-failed', `secret store ${context.name}: cannot read ${path}: ${(cause as Error).message}`, {
      cause,
    });
  }
  let changed = false;
  let checkedAt = clock.mono();
  let reading: Promise<void> | undefined;
  const watcher = disk.watch(path, () => {
    changed = true;
  });
  const refresh = async (): Promise<void> => {
    changed = false;
    checkedAt = clock.mono();
    try {
      const stat = await disk.stat(path);
      if (stat !== undefined && `${stat.mtimeMs} ${stat.sizeBytes}` === current.stamp) return;
      current = await read();
      context.log.info('secrets were read again because the file changed', { component: context.name });
    } catch (cause) {
      context.log.warn('the changed secrets file cannot be read; the last good secrets stay', {
        component: context.name,
        error: (cause as Error).message,
      });
    }
  };
  const secrets = async (): Promise<ReadonlyMap<string, Secret>> => {
    if (reading === undefined && (changed || clock.mono() - checkedAt >= checkEveryMs)) {
      reading = refresh().finally(() => {
        reading = undefined;
      });
    }
    await reading;
    return current.secrets;
  };
  return {
    capabilities: options.multiValued ? ['MULTIPLE_KEY_VALUES_PER_SECRET'] : [],
    get: async (name) => (await secrets()).get(name),
    bulkGet: async () => Object.fromEntries(await secrets()),
    async close() {
      watcher.close();
    },
  };
}
