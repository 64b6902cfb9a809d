import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import type { ConfigurationItem, ConfigurationItems } from './configuration.ts';

export interface ConfigurationWatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Between looks when no hint comes: hints may be lost. */
  readonly pollMs: number;
  /** Between a hint and the look, so that a burst of changes is one look. */
  readonly settleMs: number;
  /** The items that the subscriber asked for, as they are now. */
  read(): Promise<ConfigurationItems>;
  changed(items: ConfigurationItems): void;
}

/** Finds changes by comparing what is there with what was there. */
export interface ConfigurationWatch {
  /** Something may have changed. */
  readonly hint: () => void;
  /** No callback follows once this resolves. */
  close(): Promise<void>;
}

/** What subscribers hear of an item that was removed. */
export const removedItem: ConfigurationItem = { value: '', version: '', metadata: {} };

/** Takes the first picture before it resolves; fails when that cannot be read. Later failures are logged and tried again: what was known stays. */
export async function watchConfiguration(options: ConfigurationWatchOptions): Promise<ConfigurationWatch> {
  const { clock, log, pollMs, settleMs } = options;
  let known: ConfigurationItems = await options.read();
  let looking: Promise<void> | undefined;
  let again = false;
  let closed = false;
  let timer: Timer | undefined;

  const arm = (delayMs: number): void => {
    timer?.cancel();
    timer = closed ? undefined : clock.timer(delayMs, start, true);
  };
  const look = async (): Promise<void> => {
    try {
      const items = await options.read();
      const changes = changesSince(known, items);
      known = items;
      if (!closed && Object.keys(changes).length > 0) options.changed(changes);
    } catch (error) {
      log.warn('the configuration cannot be read; the last one stays', { error: error instanceof Error ? error.message : String(error) });
    }
  };
  const start = (): void => {
    looking = look().finally(() => {
      looking = undefined;
      arm(again ? settleMs : pollMs);
      again = false;
    });
  };
  arm(pollMs);
  return {
    hint() {
      if (looking !== undefined) again = true;
      else arm(settleMs);
    },
    async close() {
      closed = true;
      timer?.cancel();
      await looking;
    },
  };
}

/** Stores of others may change a value and leave its version, or have no versions at all. */
function changesSince(known: ConfigurationItems, items: ConfigurationItems): ConfigurationItems {
  const changes = Object.create(null) as Record<string, ConfigurationItem>;
  for (const [key, item] of Object.entries(items)) {
    const before = Object.hasOwn(known, key) ? known[key] : undefined;
    if (before?.version !== item.version || before.value !== item.value) changes[key] = item;
  }
  for (const key of Object.keys(known)) if (!Object.hasOwn(items, key)) changes[key] = removedItem;
  return changes;
}
