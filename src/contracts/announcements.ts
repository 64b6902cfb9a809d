import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import type { Endpoint } from './resolver.ts';

export interface AnnouncementsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The registry's name in messages. */
  readonly source: string;
  /** Between renewals: a third of the lease, so that two may be lost. */
  readonly intervalMs: number;
  /** Writes the entry, or writes it again; must make it good when the registry has forgotten it. */
  write(endpoint: Endpoint): Promise<void>;
  remove(endpoint: Endpoint): Promise<void>;
}

/** Keeps what this process announced alive in a registry whose entries expire. */
export interface Announcements {
  /** Fails when the first write does. What it answers removes the entry, after a renewal that is under way: nothing writes it again. */
  announce(endpoint: Endpoint): Promise<() => Promise<void>>;
  all(): readonly Endpoint[];
  /** Stops renewing; entries that are still there expire by themselves. */
  close(): void;
}

/** A renewal that fails is logged when it begins to fail and tried again; it never ends what runs. */
export function createAnnouncements(options: AnnouncementsOptions): Announcements {
  const { clock, log, source, intervalMs } = options;
  const announced = new Map<string, Endpoint>();
  /** What is under way last, by instance. */
  const busy = new Map<string, Promise<void>>();
  let timer: Timer | undefined;
  let failing = false;

  /** One after the other: a renewal that is late must not write what was removed, or replaced, meanwhile. */
  const inOrder = (instance: string, work: () => Promise<void>): Promise<void> => {
    const before = busy.get(instance);
    const done = before === undefined ? work() : before.then(work, work);
    busy.set(instance, done);
    const over = (): void => void (busy.get(instance) === done && busy.delete(instance));
    done.then(over, over);
    return done;
  };
  const renewed = (endpoint: Endpoint): Promise<void> =>
    inOrder(endpoint.instance, async () => {
      if (announced.get(endpoint.instance) === endpoint) await options.write(endpoint);
    });
  const renew = async (): Promise<void> => {
    const results = await Promise.allSettled([...announced.values()].map(renewed));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined && !failing) log.warn(`${source} does not take renewals`, { error: String(failed.reason) });
    if (failed === undefined && failing) log.info(`${source} takes renewals again`);
    failing = failed !== undefined;
  };
  const arm = (): void => {
    timer ??= clock.timer(
      intervalMs,
      () => {
        timer = undefined;
        if (announced.size > 0) void renew().finally(() => announced.size > 0 && arm());
      },
      true,
    );
  };
  return {
    async announce(endpoint) {
      const { instance } = endpoint;
      await inOrder(instance, () => options.write(endpoint));
      announced.set(instance, endpoint);
      arm();
      return async () => {
        if (announced.delete(instance)) await inOrder(instance, () => options.remove(endpoint));
      };
    },
    all: () => [...announced.values()],
    close() {
      announced.clear();
      timer?.cancel();
    },
  };
}
