import { dirname } from 'node:path';
import type { ConfigurationItems, ConfigurationStore } from '../../contracts/configuration.ts';
import { watchConfiguration } from '../../contracts/configuration-watch.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { parseItems } from './parse-items.ts';

export interface FileConfigurationOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Logger;
  readonly path: string;
  readonly pollMs: number;
}

/** Editors write a file in several steps. */
const settleMs = 50;
const fileBytesMax = 4 * 1024 * 1024;

/** Configuration from one file. Reads give what stands in it now; a subscriber keeps the last good state while the file is missing or wrong, and the log says why. */
export function createFileConfiguration(options: FileConfigurationOptions): ConfigurationStore {
  const { disk, clock, log, path, pollMs } = options;
  const stops = new Set<() => Promise<void>>();
  const read = async (keys: readonly string[]): Promise<ConfigurationItems> => {
    const items = parseItems(await readText(disk, path), path);
    if (keys.length === 0) return items;
    const wanted = Object.create(null) as Record<string, ConfigurationItems[string]>;
    for (const key of keys) {
      const item = items[key];
      if (item !== undefined) wanted[key] = item;
    }
    return wanted;
  };
  return {
    get: (keys) => read(keys),
    async subscribe(keys, _metadata, changed) {
      const watch = await watchConfiguration({ clock, log, pollMs, settleMs, read: () => read(keys), changed });
      const watcher = watchFolder(disk, path, watch.hint);
      const stop = (): Promise<void> => {
        stops.delete(stop);
        watcher.close();
        return watch.close();
      };
      stops.add(stop);
      return stop;
    },
    async close() {
      await Promise.all([...stops].map((stop) => stop()));
    },
  };
}

/** The folder, because most editors put a new file in place of the old one. Where it cannot be watched, polling remains. */
function watchFolder(disk: Disk, path: string, changed: () => void): { close(): void } {
  try {
    return disk.watch(dirname(path), changed);
  } catch {
    return { close() {} };
  }
}

async function readText(disk: Disk, path: string): Promise<string> {
  const stat = await disk.stat(path);
  if (stat === undefined) throw new ProaError('config.invalid', `${path}: there is no such file`);
  if (stat.sizeBytes > fileBytesMax) throw new ProaError('config.invalid', `${path}: it is larger than ${fileBytesMax} bytes`);
  return Buffer.from(await disk.readFile(path)).toString('utf8');
}
