import { collectSoon, emptyBody, BodyTooLarge, type Body } from '../../kernel/body.ts';
import { createCall, type Call, type Caller } from '../../kernel/call.ts';
import type { CancelScope } from '../../kernel/cancel.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import type { Blocks } from '../../blocks/runtime/index.ts';
import { errorReply } from './error-reply.ts';
import type { Query } from './query.ts';
import type { Reply } from './reply.ts';
import { whenRead, type Route, type RouteRequest } from './route.ts';
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
    decoded = row.decode(new DispatchedRequest(request));
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
  const call = createCall(row.operation, input, {
    caller: request.caller,
    cancel: request.cancel,
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

class DispatchedRequest implements RouteRequest {
  readonly #request: Dispatch;

  constructor(request: Dispatch) {
    this.#request = request;
  }

  get method(): string {
    return this.#request.method;
  }

  get params(): RouteRequest['params'] {
    return this.#request.match.params;
  }

  get query(): Query {
    return this.#request.query;
  }

  get body(): Body {
    return this.#request.body;
  }

  header(name: string): string | undefined {
    return this.#request.header(name);
  }

  bytes(): Uint8Array | Promise<Uint8Array> {
    const { body, bodyBytesMax } = this.#request;
    if (body === emptyBody) return noBytes;
    try {
      const read = collectSoon(body, bodyBytesMax);
      return read instanceof Promise ? read.catch(unreadable) : read;
    } catch (thrown) {
      return unreadable(thrown);
    }
  }

  text(): string | Promise<string> {
    return whenRead(this.bytes(), utf8);
  }
}

const noBytes = new Uint8Array(0);

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function unreadable(thrown: unknown): never {
  const detail = thrown instanceof BodyTooLarge ? `the body is larger than ${thrown.bytesMax} bytes (--max-body-size)` : String(thrown);
  throw new ProaError('body-read', `failed to read request body: ${detail}`, { cause: thrown });
}
