import { closest } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import { checked } from '../contract.ts';
import type { EventSchemas } from './definition.ts';
import { durationMs, type Duration } from './duration.ts';
import type { Execution } from './execution.ts';
import { handled } from './steps.ts';
import { decodeValue } from './values.ts';

/** `ctx.sleep`, `ctx.sleepUntil` and `ctx.waitFor`. */
export function createWaits(execution: Execution, events: EventSchemas | undefined) {
  async function until(fireAtMs: number, from: (...args: never[]) => unknown): Promise<void> {
    const action = { type: 'createTimer', name: 'sleep', fireAtMs, origin: { kind: 'createTimer' } } as const;
    await execution.operation('timer sleep', action, { from });
  }
  function sleep(duration: Duration): Promise<void> {
    return handled(until(execution.clockMs + durationMs(duration, 'the time of a sleep'), sleep));
  }
  function sleepUntil(time: Date | number): Promise<void> {
    const ms = Number(time);
    if (!Number.isFinite(ms)) throw new ProaError('bad-request', 'sleepUntil got no time');
    return handled(until(ms, sleepUntil));
  }
  function waitFor(event: string, options: { readonly timeout?: Duration } = {}): Promise<unknown> {
    const known = eventKnown(events, event);
    const timeoutMs = options.timeout === undefined ? undefined : durationMs(options.timeout, `the timeout of event "${event}"`);
    return handled(waitForEvent(execution, { event: known, schema: events?.[known], timeoutMs, from: waitFor }));
  }
  return { sleep, sleepUntil, waitFor };
}

interface Wait {
  readonly event: string;
  readonly schema: EventSchemas[string] | undefined;
  readonly timeoutMs: number | undefined;
  readonly from: (...args: never[]) => unknown;
}

function waitForEvent(execution: Execution, { event, schema, timeoutMs, from }: Wait): Promise<unknown> {
  return new Promise((resolve, reject) => {
    // An event that is there already needs no timer, unless it does not fit.
    let armed = timeoutMs === undefined;
    const arm = (): void => {
      if (armed) return;
      armed = true;
      const name = `wait ${event}`;
      const fireAtMs = execution.clockMs + (timeoutMs as number);
      const action = { type: 'createTimer', name, fireAtMs, origin: { kind: 'externalEvent', name: event } } as const;
      execution.operation(`timer ${name}`, action, { aside: true, from }).then(() => {
        stop();
        resolve(undefined);
      }, reject);
    };
    const deliver = async (payload: string | undefined): Promise<boolean> => {
      try {
        resolve(
          await checked(schema, payload === undefined ? null : decodeValue(payload), { what: `event "${event}"`, code: 'bad-request' }),
        );
        return true;
      } catch (error) {
        execution.warn(`${(error as Error).message}; it is left out`);
        arm();
        return false;
      }
    };
    const there = execution.hasEvent(event);
    const stop = execution.wait(event, { deliver, reject });
    if (!there) arm();
  });
}

/** The name of an event as the workflow declares it. Fails with `bad-request` for one that it does not. */
export function eventKnown(events: EventSchemas | undefined, event: string): string {
  if (events === undefined || Object.hasOwn(events, event)) return event;
  const near = closest(event, Object.keys(events));
  throw new ProaError('bad-request', `the workflow has no event "${event}"`, {
    hint: near === undefined ? `it has: ${Object.keys(events).join(', ')}` : `did you mean "${near}"?`,
  });
}
