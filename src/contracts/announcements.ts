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
  /** Fails when the first write does. */
  announce(endpoint: Endpoint): Promise<() => Promise<void>>;
  all(): readonly Endpoint[];
  /** Stops renewing; entries that are still there expire by themselves. */
  close(): void;
}

/** A renewal that fails is logged when it begins to fail and tried again; it never ends what runs. */
export function createAnnouncements(options: AnnouncementsOptions): Announcements {
  const { clock, log, source, intervalMs } = options;
  const announced = new Map<string, Endpoint>();
  let timer: Timer | undefined;
  let failing = false;

  const renew = async (): Promise<void> => {
    const results = await Promise.allSettled([...announced.values()].map((endpoint) => options.write(endpoint)));
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
      await options.write(endpoint);
      announced.set(endpoint.instance, endpoint);
      arm();
      return async () => {
        if (announced.delete(endpoint.instance)) await options.remove(endpoint);
      };
    },
    all: () => [...announced.values()],
    close() {
      announced.clear();
      timer?.cancel();
    },
  };
}
