import type { InvokeResponse } from '../../contracts/app-channel.ts';
import type { Failure } from '../../filters/retry/failure.ts';
import type { Clock } from '../../kernel/ports.ts';
import { headerOf } from './match.ts';

/**
 * An app's answer as a failure: an HTTP status outside of 200 to 399, or a gRPC status that is not OK (Dapr reference 10.4). What the app says about
 * coming again stands in `Retry-After` (seconds or a date) or in gRPC's `grpc-retry-pushback-ms`.
 */
export function failureOfAnswer(clock: Pick<Clock, 'now'>): (answer: InvokeResponse) => Failure | undefined {
  return (answer) => {
    const grpc = answer.grpc?.code ?? 0;
    if (grpc === 0 && answer.status >= 200 && answer.status <= 399) return undefined;
    const pushback = headerOf(answer.trailers ?? [], 'grpc-retry-pushback-ms') ?? headerOf(answer.headers, 'grpc-retry-pushback-ms');
    const retryAfterMs = pushback === undefined ? retryAfterOf(headerOf(answer.headers, 'retry-after'), clock) : pushbackOf(pushback);
    return { error: undefined, code: grpc === 0 ? answer.status : grpc, retryAfterMs };
  };
}

// A value that is no number, or negative, means "do not come again" (gRFC A6).
function pushbackOf(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : -1;
}

function retryAfterOf(text: string | undefined, clock: Pick<Clock, 'now'>): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - clock.now());
}

/** Lets go of an answer that nobody will read. */
export function dropAnswer(answer: InvokeResponse): void {
  answer.body.discard();
}
