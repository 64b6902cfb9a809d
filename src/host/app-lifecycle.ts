import type { AppChannel } from '../contracts/app-channel.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';

export interface HealthCheck {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row that make the app unhealthy; one success makes it healthy again. 0 counts as 1. */
  readonly threshold: number;
}

export interface AppLifecycleOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly channel: AppChannel;
  /** Absent: the app counts as healthy as long as its port accepts connections. */
  readonly healthCheck?: HealthCheck;
  /** Asks the app what it wants and starts delivering it. Repeated when it fails, and each time the app comes back. */
  readonly up: () => Promise<void>;
  /** Stops delivering. */
  readonly down: () => Promise<void>;
}

export interface AppLifecycle {
  /** True while the app is healthy and was asked what it wants. */
  readonly ready: boolean;
  close(): Promise<void>;
}

const firstProbeMs = 50;
const portProbeMs = 1_000;

/**
 * Follows the app: it may start before or after the runtime, crash and come back. Probes are quick until the app has answered once, then
 * calm; a port probe only connects, so an app's log shows nothing of it.
 */
export function followApp(options: AppLifecycleOptions): AppLifecycle {
  const { clock, log, channel, healthCheck } = options;
  const calmMs = healthCheck?.intervalMs ?? portProbeMs;
  let timer: Timer | undefined;
  let closed = false;
  let ready = false;
  let failures = 0;
  let everHealthy = false;
  /** Times in a row that it was there and could not be asked, and what was told of it. */
  let refusals = 0;
  let told = '';
  let work: Promise<void> = Promise.resolve();

  const probe = (): Promise<boolean> =>
    healthCheck === undefined ? channel.reachable() : channel.health(healthCheck.path, healthCheck.timeoutMs);

  const step = async (): Promise<void> => {
    const healthy = await probe();
    if (closed) return;
    if (healthy) {
      failures = 0;
      if (!ready) await start();
      return;
    }
    failures++;
    if (ready && failures >= Math.max(1, healthCheck?.threshold ?? 1)) {
      ready = false;
      log.warn('the app is unhealthy: it gets no events until it answers again', { address: channel.address });
      await options.down();
    }
  };

  const start = async (): Promise<void> => {
    try {
      await options.up();
      ready = true;
      [refusals, told] = [0, ''];
      if (everHealthy) log.info('the app is back', { address: channel.address });
      everHealthy = true;
    } catch (error) {
      refusals++;
      const why = error instanceof Error ? error.message : String(error);
      // The same once: it is asked again many times.
      if (why !== told)
        log.warn('the app does not answer what it wants; asking again until it does', { address: channel.address, error: why });
      told = why;
    }
  };

  const schedule = (delayMs: number): void => {
    if (closed) return;
    timer = clock.timer(
      delayMs,
      () => {
        work = step()
          .catch((error: unknown) => log.error('following the app failed', { error: String(error) }))
          .finally(() => schedule(nextDelay()));
      },
      true,
    );
  };
  const nextDelay = (): number => (ready || everHealthy ? calmMs : Math.min(calmMs, firstProbeMs * 2 ** Math.min(refusals, 10)));
  schedule(0);

  return {
    get ready() {
      return ready;
    },
    async close() {
      closed = true;
      timer?.cancel();
      await work;
      if (ready) await options.down();
      ready = false;
    },
  };
}
