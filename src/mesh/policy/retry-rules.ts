import type { Failure } from '../../filters/retry/failure.ts';
import type { Call } from '../../kernel/call.ts';
import { grpcNumber } from '../../kernel/status.ts';
import { isIdempotent } from './idempotent.ts';
import type { RetrySettings } from './model.ts';
import { parseCodes } from './status-codes.ts';

type Matches = (failure: Failure, call: Call<unknown>) => boolean;

const unavailable = grpcNumber('UNAVAILABLE');
const unauthenticated = grpcNumber('UNAUTHENTICATED');
const exhausted = grpcNumber('RESOURCE_EXHAUSTED');
/** What says that the call did not happen, or might work elsewhere or later. */
const transient = new Set([502, 503, 504, unavailable, grpcNumber('DEADLINE_EXCEEDED')]);

/** Which failures a retry policy repeats. */
export function retryRule(settings: RetrySettings): Matches {
  const http = settings.httpCodes === undefined ? undefined : parseCodes(settings.httpCodes, 100, 599);
  const grpc = settings.grpcCodes === undefined ? undefined : parseCodes(settings.grpcCodes, 0, 16);
  if (settings.when === 'absent') return ({ code, error }) => error !== undefined && (code === unavailable || code === unauthenticated);
  const listed = ({ code }: Failure): boolean => {
    if (code === undefined) return true;
    // A list for one protocol says nothing about the other one.
    return (code < 100 ? grpc : http)?.has(code) ?? true;
  };
  if (settings.when === 'dapr') return listed;
  return (failure, call) => {
    const { code, error, retryAfterMs } = failure;
    if (error !== undefined && error.spec.retry === 'safe' && code !== exhausted) return true;
    // An overloaded target is not helped by more calls, unless it says when.
    if (code === 429 || code === exhausted) return retryAfterMs !== undefined;
    if (http !== undefined || grpc !== undefined) return listed(failure);
    return isIdempotent(call) && (code === undefined || transient.has(code));
  };
}
