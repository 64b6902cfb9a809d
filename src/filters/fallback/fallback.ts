import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { bytesBody, collect } from '../../kernel/body.ts';
import { CallEnd, derive, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Filter, Service } from '../../kernel/service.ts';
import { createKeptAnswers, type KeptAnswer, type KeptAnswers } from './kept-answers.ts';

/** What makes the fallback answer: a limit or full queue, an open breaker, an expired time, a target that is not there, a status from 500. */
export type FallbackCause = 'limited' | 'open' | 'timeout' | 'unavailable' | 'failed';

export interface StaticAnswer extends KeptAnswer {
  readonly kind: 'answer';
}

export interface CachedAnswer {
  readonly kind: 'cached';
  readonly ageMaxMs: number;
  readonly entriesMax: number;
}

/** A call of another app, through its own stack. */
export interface OtherApp {
  readonly kind: 'app';
  readonly app: string;
}

export interface FallbackOptions {
  readonly clock: Clock;
  readonly on: ReadonlySet<FallbackCause>;
  readonly answer: StaticAnswer | CachedAnswer | OtherApp;
  /** For another app. */
  readonly invoke: Service<InvokeRequest, InvokeResponse>;
  /** Told of every call that it answers, and what it covers. */
  readonly used?: (call: Call<unknown>, covered: string) => void;
}

/** Marks an answer that is not the target's own. */
const marker = ['proa-fallback', 'true'] as const;

/** Degrades instead of failing: a fixed answer, the last good one, or another app. Refusals by authorisation are never covered up. */
export function fallback(options: FallbackOptions): Filter<InvokeRequest, InvokeResponse> {
  const { on, answer, used } = options;
  const kept = createKeptAnswers(answer.kind === 'cached' ? answer.entriesMax : 0);
  return (next) => (call) => {
    const instead = (failure: { readonly answer?: InvokeResponse; readonly error?: ProaError }): Promise<InvokeResponse> => {
      const replaced = substitute(options, kept, call);
      if (replaced === undefined)
        return failure.answer === undefined ? Promise.reject(failure.error as ProaError) : Promise.resolve(failure.answer);
      failure.answer?.body.discard();
      used?.(call, failure.error?.code ?? `status ${failure.answer?.status ?? 0}`);
      return replaced;
    };
    return next(call).then(
      (good) => {
        if (good.status >= 500 && on.has('failed')) return instead({ answer: good });
        return answer.kind === 'cached' && cacheable(call, good) ? keep({ options, kept }, call, good) : good;
      },
      (thrown: unknown) => {
        const error = ProaError.from(thrown);
        const cause = causeOf(error);
        if (cause === undefined || !on.has(cause) || call.cancel.cancelled) throw error;
        return instead({ error });
      },
    );
  };
}

function causeOf(error: ProaError): FallbackCause | undefined {
  if (error.code === 'circuit-open') return 'open';
  switch (error.spec.grpc) {
    case 'RESOURCE_EXHAUSTED':
      return 'limited';
    case 'DEADLINE_EXCEEDED':
      return 'timeout';
    case 'UNAVAILABLE':
      return 'unavailable';
    case 'INTERNAL':
    case 'UNKNOWN':
      return 'failed';
    default:
      return undefined;
  }
}

function substitute(options: FallbackOptions, kept: KeptAnswers, call: Call<InvokeRequest>): Promise<InvokeResponse> | undefined {
  const { answer, clock, invoke } = options;
  if (answer.kind === 'answer') return Promise.resolve(responseOf(answer));
  if (answer.kind === 'cached') {
    const found = kept.get(keyOf(call), clock.mono(), answer.ageMaxMs);
    return found === undefined ? undefined : Promise.resolve(responseOf(found));
  }
  // A body that was read can be sent again only when it is known to be replayable.
  const { input } = call;
  if ((input.body.length !== 0 && input.body.replayable !== true) || input.passed?.again === false) return undefined;
  const end = new CallEnd();
  call.end.listen((outcome) => end.fire(outcome));
  return invoke(derive(call, { input: { ...input, appId: answer.app }, end }));
}

function responseOf({ status, headers, body }: KeptAnswer): InvokeResponse {
  return { status, headers: [...headers, ...marker], body: bytesBody(body) };
}

/** Only what is the same for everybody: reads without credentials, answered well, and small. */
function cacheable({ input }: Call<InvokeRequest>, answer: InvokeResponse): boolean {
  if (input.httpMethod !== 'GET' || answer.status !== 200) return false;
  if (answer.body.length === undefined || answer.body.length > limits.replayBytes) return false;
  for (let i = 0; i < input.headers.length; i += 2) {
    const name = input.headers[i];
    if (name === 'authorization' || name === 'cookie' || name === 'dapr-api-token') return false;
  }
  for (let i = 0; i < answer.headers.length; i += 2) {
    if (answer.headers[i] === 'set-cookie') return false;
    if (answer.headers[i] === 'cache-control' && /no-store|private/.test(answer.headers[i + 1] as string)) return false;
  }
  return true;
}

function keyOf({ input }: Call<InvokeRequest>): string {
  return `${input.path}?${input.query} ${acceptOf(input.headers)}`;
}

function acceptOf(headers: readonly string[]): string {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'accept') return headers[i + 1] as string;
  return '';
}

async function keep(
  { options, kept }: { readonly options: FallbackOptions; readonly kept: KeptAnswers },
  call: Call<InvokeRequest>,
  good: InvokeResponse,
): Promise<InvokeResponse> {
  const body = await collect(good.body, limits.replayBytes);
  kept.keep(keyOf(call), { status: good.status, headers: good.headers, body }, options.clock.mono());
  return { ...good, body: bytesBody(body) };
}
