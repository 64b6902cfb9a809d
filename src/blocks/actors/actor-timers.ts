import type { ActorCallback } from '../../contracts/actor-host.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Actor, RunningTimer } from './actor.ts';
import { checkActor, checkActorName } from './actor-names.ts';
import type { HostedType } from './hosted-type.ts';
import { nextDue, readSchedule, type Schedule, type ScheduleText } from './schedule.ts';
import type { Turns } from './turns.ts';

/** A timer as an app registers it. */
export interface TimerRequest extends ScheduleText {
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly callback?: string;
  /** JSON text. */
  readonly data?: string;
}

export interface ActorTimersOptions {
  readonly context: BlockContext;
  readonly hosted: (type: string) => { readonly type: HostedType; readonly turns: Turns } | undefined;
}

/** Timers of actors: they live in memory with their actor and end with it. */
export interface ActorTimers {
  /**
   * A timer of the same name is replaced. The actor need not be active: the app learns of it when the timer fires. Fails with `bad-request`, and with `actor.not-active`
   * when the actor is not to be run here.
   */
  register(request: TimerRequest): void;
  /** Does nothing when there is none. */
  unregister(request: Pick<TimerRequest, 'type' | 'id' | 'name'>): void;
}

const timersPerActorMax = 1_000;
const waitMsMax = 2 ** 31 - 1;

export function createActorTimers({ context, hosted }: ActorTimersOptions): ActorTimers {
  const { clock } = context.ports;
  const find = ({ type, id, name }: Pick<TimerRequest, 'type' | 'id' | 'name'>, how: 'find' | 'summon') => {
    checkActor(type, id);
    checkActorName(name, 'timer name');
    const host = hosted(type);
    const actor = host?.type[how](id);
    return host === undefined || actor === undefined ? undefined : { ...host, actor };
  };
  return {
    register(request) {
      const schedule = readSchedule(request, { nowMs: clock.now(), calendar: true });
      const found = find(request, 'summon');
      if (found === undefined)
        throw new ProaError('actor.not-active', `actor ${request.type}/${request.id} is not of this host: it can have no timer here`);
      const { actor, type } = found;
      const before = actor.timers.get(request.name);
      if (before === undefined && actor.timers.size >= timersPerActorMax)
        throw new ProaError('actor.timer-create', `actor ${request.type}/${request.id} has ${timersPerActorMax} timers`);
      stop(before);
      if (before === undefined) type.metrics.timers.add(1);
      const timer: RunningTimer = { wait: undefined, over: false };
      actor.timers.set(request.name, timer);
      new Ticking({ context, request, schedule, timer, ...found }).arm(schedule.firstMs);
    },
    unregister(request) {
      const found = find(request, 'find');
      const timer = found?.actor.timers.get(request.name);
      if (found === undefined || timer === undefined) return;
      stop(timer);
      found.actor.timers.delete(request.name);
      found.type.metrics.timers.add(-1);
    },
  };
}

function stop(timer: RunningTimer | undefined): void {
  if (timer === undefined) return;
  timer.over = true;
  timer.wait?.cancel();
}

interface TickingParts {
  readonly context: BlockContext;
  readonly request: TimerRequest;
  readonly schedule: Schedule;
  readonly timer: RunningTimer;
  readonly actor: Actor;
  readonly type: HostedType;
  readonly turns: Turns;
}

/** One timer: armed again after each firing, so that a slow one never comes twice at a time. */
class Ticking {
  readonly #parts: TickingParts;
  readonly #clock: Clock;
  #left: number;

  constructor(parts: TickingParts) {
    this.#parts = parts;
    this.#clock = parts.context.ports.clock;
    this.#left = parts.schedule.period?.times ?? 1;
  }

  /** Waits on the monotonic clock: a wall clock that is set does not make timers early. */
  arm(atMs: number): void {
    const { timer } = this.#parts;
    const waitMs = atMs - this.#clock.now();
    if (waitMs > waitMsMax) timer.wait = this.#clock.timer(waitMsMax, () => this.arm(atMs), true);
    else timer.wait = this.#clock.timer(waitMs, () => void this.#fire(atMs), true);
  }

  async #fire(atMs: number): Promise<void> {
    const { timer, schedule, type, context, request, actor } = this.#parts;
    const { dueTime = '', period = '', id, name, callback = '', data } = request;
    const due: ActorCallback = { type: request.type, id, name, dueTime, period, callback, ...(data === undefined ? {} : { data }) };
    let cancel = false;
    try {
      ({ cancel } = await this.#parts.turns.timer(due, actor));
      type.metrics.timerFired(true);
    } catch (error) {
      // It waited for its turn when the actor went, and goes with it.
      if (actor.gone) return;
      type.metrics.timerFired(false);
      context.log.warn('a timer of an actor failed', { type: request.type, actor: id, timer: name, error: ProaError.from(error).message });
    }
    if (timer.over) return;
    const next = cancel || --this.#left <= 0 ? undefined : nextDue(schedule, atMs, this.#clock.now());
    if (next !== undefined) return this.arm(next);
    timer.over = true;
    const { timers } = actor;
    if (timers.get(name) !== timer) return;
    timers.delete(name);
    type.metrics.timers.add(-1);
  }
}
