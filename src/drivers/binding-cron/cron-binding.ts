import type { InferOutput } from 'valibot';
import { parseSchedule, type Schedule } from '../../kernel/cron-schedule.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock, Timer } from '../../kernel/ports.ts';
import type { BindingEvent, BindingResponse } from '../../contracts/binding.ts';
import type { DriverContext, DriverKinds } from '../../contracts/driver.ts';
import type { config } from './config.ts';

// A handler that is slower than its schedule overlaps itself, as in Dapr, but not without bound.
const underWayMax = 16;
// Wall clocks are set and machines sleep: look again at least this often.
const lookEveryMs = 60_000;

type Deliver = (event: BindingEvent) => Promise<BindingResponse>;

/** Fires an empty event at each instant of the schedule while it is read. Instants missed during a sleep of the machine are not made up for. */
export async function openCron(options: InferOutput<typeof config>, context: DriverContext): Promise<DriverKinds['bindings']> {
  const { clock } = context.ports;
  let schedule: Schedule;
  try {
    schedule = await parseSchedule(options.schedule, { wholeSeconds: true });
    if (schedule.next(clock.now()) === undefined) throw new Error(`invalid schedule format '${options.schedule}': it never fires`);
  } catch (cause) {
    throw new ProaError('component.init-failed', `binding ${context.name}: ${(cause as Error).message}`, { cause });
  }
  const stops = new Set<() => Promise<void>>();
  return {
    input: {
      async read(deliver) {
        const stop = run(schedule, deliver, context);
        const stopOnce = async (): Promise<void> => {
          stops.delete(stopOnce);
          await stop();
        };
        stops.add(stopOnce);
        return stopOnce;
      },
    },
    async close() {
      await Promise.all([...stops].map((stop) => stop()));
    },
  };
}

function run(schedule: Schedule, deliver: Deliver, context: DriverContext): () => Promise<void> {
  const { clock } = context.ports;
  const underWay = new Set<Promise<void>>();
  let timer: Timer | undefined;
  const fire = (): void => {
    if (underWay.size >= underWayMax) {
      context.log.warn('a tick was left out: the handler is too slow for the schedule', {
        component: context.name,
        underWay: underWay.size,
      });
      return;
    }
    const done: Promise<void> = deliver({ data: new Uint8Array(0), metadata: tickMetadata(clock) })
      .then(
        () => {},
        (error: unknown) =>
          context.log.warn('the app failed to handle a tick', {
            component: context.name,
            error: String((error as Error)?.message ?? error),
          }),
      )
      .finally(() => underWay.delete(done));
    underWay.add(done);
  };
  const wait = (dueMs: number | undefined): void => {
    if (dueMs === undefined) return;
    timer = clock.timer(Math.min(Math.max(dueMs - clock.now(), 0), lookEveryMs), () => {
      const now = clock.now();
      if (now < dueMs) {
        // Set back by more than the schedule's step, the clock would otherwise be silent until it has caught up.
        const next = schedule.next(now);
        wait(next !== undefined && next < dueMs ? next : dueMs);
        return;
      }
      fire();
      wait(schedule.next(now));
    });
  };
  wait(schedule.next(clock.now()));
  return async () => {
    timer?.cancel();
    await Promise.all(underWay);
  };
}

// The forms in which Go prints them: `Local`, and a time with its zone.
function tickMetadata(clock: Clock): Record<string, string> {
  const iso = new Date(clock.now()).toISOString();
  return { timeZone: 'Local', readTimeUTC: `${iso.slice(0, 10)} ${iso.slice(11, 23)} +0000 UTC` };
}
