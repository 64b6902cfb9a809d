import type { ConfigurationItem, ConfigurationItems } from '../../contracts/configuration.ts';

/** Hands changes on one key at a time; while one is under way, a newer value of a waiting key replaces the older. */
export interface ChangeDelivery {
  readonly offer: (items: ConfigurationItems) => void;
  /** Drops what waits; resolves when nothing is under way. */
  close(): Promise<void>;
}

/** `deliver` may fail: `failed` is told, and the next key follows. The queue is bounded by the number of keys of the store. */
export function createChangeDelivery(
  deliver: (key: string, item: ConfigurationItem) => Promise<void>,
  failed: (key: string, error: unknown) => void,
): ChangeDelivery {
  const waiting = new Map<string, ConfigurationItem>();
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    for (const [key, item] of waiting) {
      waiting.delete(key);
      try {
        await deliver(key, item);
      } catch (error) {
        failed(key, error);
      }
    }
    running = undefined;
  };
  return {
    offer(items) {
      for (const [key, item] of Object.entries(items)) waiting.set(key, item);
      if (waiting.size > 0) running ??= run();
    },
    async close() {
      waiting.clear();
      await running;
    },
  };
}
