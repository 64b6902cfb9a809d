import { collect, emptyBody, BodyTooLarge, type Body } from '../../kernel/body.ts';
import { createCall, type Call, type Caller } from '../../kernel/call.ts';
import type { CancelScope } from '../../kernel/cancel.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { deadlineOf, timeoutHeader } from '../../kernel/timeout-header.ts';
import { traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import type { Blocks } from '../../blocks/runtime/index.ts';
import { errorReply } from './error-reply.ts';
import type { Query } from './query.ts';
import type { Reply } from './reply.ts';
import type { Route, RouteRequest } from './route.ts';
import type { Match } from './router.ts';

/** A routed request with everything that the rows may look at. */
export interface Dispatch {
  readonly match: Match;
  readonly method: string;
  readonly query: Query;
  readonly header: (name: string) => string | undefined;
  readonly body: Body;
  readonly bodyBytesMax: number;
  readonly caller: Caller;
  readonly trace: TraceContext;
  readonly cancel: CancelScope;
  readonly clock: Clock;
}

/** What became of it: the reply, the call (still to be ended by whoever writes the reply), and the error behind the reply. */
export interface Dispatched {
  readonly reply: Reply;
  readonly call: Call<unknown> | undefined;
  readonly error: ProaError | undefined;
}

/** Decodes, calls the block's service, encodes. Never rejects: every failure becomes its error document. */
export function dispatch(blocks: Blocks, request: Dispatch): Promise<Dispatched> {
  const row = request.match.route as unknown as Route<unknown, unknown>;
  let decoded: unknown;
  try {
    decoded = row.decode(routeRequest(request));
  } catch (thrown) {
    return Promise.resolve(failed(row, request, thrown, undefined));
  }
  if (decoded instanceof Promise) {
    return decoded.then(
      (input: unknown) => run(blocks, row, request, input),
      (thrown: unknown) => failed(row, request, thrown, undefined),
    );
  }
  return run(blocks, row, request, decoded);
}

function run(blocks: Blocks, row: Route<unknown, unknown>, request: Dispatch, input: unknown): Promise<Dispatched> {
  let deadlineMs: number;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), request.clock);
  } catch (thrown) {
    return Promise.resolve(failed(row, request, thrown, undefined));
  }
  const call = createCall(row.operation, input, {
    caller: request.caller,
    cancel: request.cancel,
    deadlineMs,
    context: request.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, request.trace),
  });
  return row
    .service(blocks)(call)
    .then((output) => ({ reply: row.encode(output, input), call, error: undefined }))
    .catch((thrown: unknown) => failed(row, request, thrown, call));
}

function failed(row: Route<unknown, unknown>, request: Dispatch, thrown: unknown, call: Call<unknown> | undefined): Dispatched {
  request.body.discard();
  const error = ProaError.from(thrown);
  return { reply: row.failed?.(error) ?? errorReply(error), call, error };
}

function routeRequest(request: Dispatch): RouteRequest {
  const bytes = (): Promise<Uint8Array> =>
    request.body === emptyBody
      ? Promise.resolve(new Uint8Array(0))
      : collect(request.body, request.bodyBytesMax).catch((thrown: unknown) => {
          const detail =
            thrown instanceof BodyTooLarge ? `the body is larger than ${thrown.bytesMax} bytes (--max-body-size)` : String(thrown);
          throw new ProaError('body-read', `failed to read request body: ${detail}`, { cause: thrown });
        });
  return {
    method: request.method,
    params: request.match.params,
    query: request.query,
    header: request.header,
    body: request.body,
    bytes,
    text: () => bytes().then((read) => Buffer.from(read.buffer, read.byteOffset, read.byteLength).toString('utf8')),
  };
}
