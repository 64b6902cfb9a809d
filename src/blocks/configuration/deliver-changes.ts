import type { ConfigurationItem, ConfigurationItems } from '../../contracts/configuration.ts';

/** Hands changes on one key at a time; while one is under way, a newer value of a waiting key replaces the older. */
export interface ChangeDelivery {
  readonly offer: (items: ConfigurationItems) => void;
  /** Keeps what comes, and what failed, until `resume`: the app is not well. */
  pause(): void;
  resume(): void;
  /** Drops what waits; resolves when nothing is under way. */
  close(): Promise<void>;
}

/** `deliver` may fail: `failed` is told, and the next key follows. The queue is bounded by the number of keys of the store. */
export function createChangeDelivery(
  deliver: (key: string, item: ConfigurationItem) => Promise<void>,
  failed: (key: string, error: unknown) => void,
): ChangeDelivery {
  const waiting = new Map<string, ConfigurationItem>();
  // What could not be delivered: the app may not be well, though nobody has noticed yet. It goes out again when the app is back.
  const undelivered = new Map<string, ConfigurationItem>();
  let running: Promise<void> | undefined;
  let paused = false;
  let resumes = 0;
  const run = async (): Promise<void> => {
    for (const [key, item] of waiting) {
      if (paused) break;
      waiting.delete(key);
      const begun = resumes;
      try {
        await deliver(key, item);
      } catch (error) {
        // One that began before the app was well tells nothing of the app as it is now: it goes out again at once.
        if (!waiting.has(key)) (begun === resumes ? undelivered : waiting).set(key, item);
        failed(key, error);
      }
    }
    running = undefined;
    // It may have been resumed while the last one was under way.
    start();
  };
  const start = (): void => {
    if (waiting.size > 0 && !paused) running ??= run();
  };
  return {
    offer(items) {
      for (const [key, item] of Object.entries(items)) {
        waiting.set(key, item);
        undelivered.delete(key);
      }
      start();
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      resumes++;
      for (const [key, item] of undelivered) waiting.set(key, item);
      undelivered.clear();
      start();
    },
    async close() {
      waiting.clear();
      undelivered.clear();
      await running;
    },
  };
}
