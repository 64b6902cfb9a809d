import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { hedge } from '../../filters/hedge/hedge.ts';
import { constantBackoff, exponentialBackoff } from '../../filters/retry/backoff.ts';
import { createRetryBudget, type BudgetOptions, type RetryBudget } from '../../filters/retry/budget.ts';
import { retry, type RetryOptions } from '../../filters/retry/retry.ts';
import type { Repeatable } from '../../kernel/attempt.ts';
import type { Call } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { replayBody } from '../../kernel/replay-body.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { activations } from './activations.ts';
import { dropAnswer, failureOfAnswer } from './answers.ts';
import { isIdempotent } from './idempotent.ts';
import { callsActor, callsApp, fromOf, stateKey, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';
import type { RetrySettings } from './model.ts';
import { retryRule } from './retry-rules.ts';

/** Repetitions of a target; without an entry those that are built in. */
export function retryLayer(parts: LayerParts, settings: RetrySettings, entry: Entry<'retry'> | undefined): Layer {
  const { clock, random } = parts;
  const { backoff, budget, pushbackMaxMs } = settings;
  const isInvoke = callsApp(parts);
  const options: RetryOptions<unknown, unknown> = {
    clock,
    retriesMax: settings.retriesMax,
    elapsedMaxMs: settings.elapsedMaxMs,
    delayMs: backoff.kind === 'constant' ? constantBackoff(backoff.delayMs) : exponentialBackoff({ random, ...backoff }),
    matches: retryRule(settings),
    coded: isInvoke || callsActor(parts),
    repeatable: isInvoke ? (repeatableInvoke as RetryOptions<unknown, unknown>['repeatable']) : repeatableValue,
    ...(pushbackMaxMs !== undefined && { pushbackMaxMs }),
    ...(budget !== undefined && { budget: budgetOf(parts, budget, stateKey(parts, entry, 'retry')) }),
    ...(entry !== undefined && { repeated: activations(parts, 'retry', entry.rule) }),
    tell: tellerOf(parts, 'retry', { entry, name: 'retry' }),
    // The built-in retries repeat only what never arrived: whatever an app answers passes.
    ...(isInvoke &&
      settings.when !== 'absent' && {
        failureOf: failureOfAnswer(clock) as (output: unknown) => ReturnType<ReturnType<typeof failureOfAnswer>>,
        drop: dropAnswer as (output: unknown) => void,
      }),
  };
  return {
    role: 'retry',
    why:
      entry === undefined
        ? 'what just starts or moves is not there for a moment'
        : 'repeats single attempts, each with its own breaker and timeout',
    parameters: { ...retryParameters(settings), ...fromOf(entry, 'retry') },
    filter: layerFilter(retry(options)),
  };
}

/**
 * A share of the calls of each process adds up to that share of all calls; the floor does not, so each process has its part of it: no less than one repetition in the ten
 * seconds over which budgets count, or a process with few calls would have none.
 */
function budgetOf({ states, shared }: LayerParts, budget: BudgetOptions, key: string): RetryBudget {
  const { ratio, perSecond } = budget;
  const part = perSecond / (shared?.processes ?? 1);
  return states.of(key, budget, () => createRetryBudget({ ratio, perSecond: Math.min(perSecond, Math.max(0.1, part)) }));
}

function retryParameters(settings: RetrySettings): Record<string, unknown> {
  const { backoff, retriesMax, when, httpCodes, grpcCodes, budget } = settings;
  return {
    retries: retriesMax === Infinity ? 'unlimited' : retriesMax,
    delay:
      backoff.kind === 'constant'
        ? formatDuration(backoff.delayMs)
        : `${formatDuration(backoff.initialMs)} x ${backoff.factor} up to ${formatDuration(backoff.maxMs)}, jitter ${backoff.jitter}`,
    on:
      when === 'absent'
        ? 'UNAVAILABLE, UNAUTHENTICATED; never a streamed body'
        : when === 'dapr'
          ? 'every failure'
          : 'what may be repeated safely',
    ...(httpCodes !== undefined && { httpStatusCodes: httpCodes }),
    ...(grpcCodes !== undefined && { gRPCStatusCodes: grpcCodes }),
    ...(budget !== undefined && { budget: `${budget.ratio * 100} % + ${budget.perSecond}/s` }),
  };
}

/** Second attempts beside slow ones. */
export function hedgeLayer(parts: LayerParts, entry: Entry<'hedge'>): Layer {
  const { clock } = parts;
  const { afterMs, attemptsMax, budget } = entry.value;
  const isBad = failureOfAnswer(clock);
  return {
    role: 'hedge',
    why: 'inside retries: a slow attempt gets a second one beside it',
    parameters: {
      after: formatDuration(afterMs),
      maxAttempts: attemptsMax,
      budget: `${budget.ratio * 100} % + ${budget.perSecond}/s`,
      ...fromOf(entry, 'hedge'),
    },
    filter: layerFilter(
      hedge<InvokeRequest, InvokeResponse>({
        clock,
        afterMs,
        attemptsMax,
        mayHedge: isIdempotent,
        repeatable: repeatableInvoke,
        isBad: (answer) => answer.status >= 500 && isBad(answer) !== undefined,
        drop: dropAnswer,
        budget: budgetOf(parts, budget, stateKey(parts, entry, 'hedge')),
        hedged: activations(parts, 'hedge', entry.rule),
        tell: tellerOf(parts, 'hedge', { entry, name: 'hedge' }),
      }),
    ),
  };
}

/** Calls of apps can be repeated when their body is known to be small (`limits.replayBytes`); it is kept while it is sent. */
function repeatableInvoke(call: Call<InvokeRequest>): Repeatable<InvokeRequest> | undefined {
  const { input } = call;
  if (input.passed !== undefined) return { first: input, again: () => (input.passed?.again === true ? input : undefined) };
  if (!input.replayable) return undefined;
  return input.body.replayable === true ? new SameAgain(input) : replayed(input);
}

function replayed(input: InvokeRequest): Repeatable<InvokeRequest> | undefined {
  const body = replayBody(input.body);
  if (body === undefined) return undefined;
  return {
    first: { ...input, body },
    again() {
      const next = body.again();
      return next === undefined ? undefined : { ...input, body: next };
    },
  };
}

function repeatableValue(call: Call<unknown>): Repeatable<unknown> {
  return new SameAgain(call.input);
}

/** One object for what nearly every call is: its input serves every attempt. */
class SameAgain<In> implements Repeatable<In> {
  readonly first: In;
  constructor(input: In) {
    this.first = input;
  }
  again(): In {
    return this.first;
  }
}
