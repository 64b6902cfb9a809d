import { isAnswered } from '../../kernel/answered.ts';
import { collectSoon, emptyBody, BodyTooLarge, type Body } from '../../kernel/body.ts';
import { createCall, type Call, type Caller } from '../../kernel/call.ts';
import type { CancelScope } from '../../kernel/cancel.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { deadlineOf, timeoutHeader } from '../../kernel/timeout-header.ts';
import { traceKey, type TraceContext } from '../../kernel/trace-context.ts';
import type { Blocks } from '../../blocks/runtime/index.ts';
import { errorReply } from './error-reply.ts';
import { Query } from './query.ts';
import type { Remembered } from './remembered.ts';
import type { Reply } from './reply.ts';
import { whenRead, type Route, type RouteRequest } from './route.ts';
import type { Match } from './router.ts';

/** What became of it: the reply, the call (still to be ended by whoever writes the reply), and the error behind the reply. */
export interface Dispatched {
  readonly reply: Reply;
  readonly call: Call<unknown> | undefined;
  readonly error: ProaError | undefined;
}

/** Told once what became of a request, perhaps before the call that asked returns. A callback, because a promise more per request shows. */
export interface DispatchedTo {
  dispatched(result: Dispatched): void;
}

/** What every request of a listener is dispatched with. */
export interface DispatchOptions {
  readonly blocks: Blocks;
  readonly caller: Caller;
  readonly bodyBytesMax: number;
  readonly clock: Clock;
}

/** What is dispatched, as the listener or a middleware gives it. */
export interface Dispatchable {
  readonly method: string;
  readonly query: string;
  readonly headers: readonly string[];
  header(name: string): string | undefined;
  readonly body: Body;
  readonly trace: TraceContext;
  readonly cancel: CancelScope;
}

/** Decodes, calls the block's service, encodes. Every failure becomes its error document. */
export function dispatch(options: DispatchOptions, request: Dispatchable, { match, to }: { match: Match; to: DispatchedTo }): void {
  const row = match.route as unknown as Row;
  const { remembered } = match;
  let decoded = remembered?.input(request.query);
  try {
    if (decoded === undefined) {
      decoded = row.decode(new RoutedRequest(request, match, options.bodyBytesMax));
      remembered?.keepInput(request.query, decoded);
    }
  } catch (thrown) {
    to.dispatched(failed(row, request, thrown, undefined));
    return;
  }
  if (decoded instanceof Promise) {
    decoded.then(
      (input: unknown) => run(options, request, { row, remembered, input, to }),
      (thrown: unknown) => to.dispatched(failed(row, request, thrown, undefined)),
    );
  } else run(options, request, { row, remembered, input: decoded, to });
}

type Row = Route<unknown, unknown>;

/** A request that was decoded. */
interface Decoded {
  readonly row: Row;
  readonly remembered: Remembered | undefined;
  readonly input: unknown;
  readonly to: DispatchedTo;
}

function run(options: DispatchOptions, request: Dispatchable, decoded: Decoded): void {
  const { row, input, to } = decoded;
  let deadlineMs: number;
  try {
    deadlineMs = deadlineOf(request.header(timeoutHeader), options.clock);
  } catch (thrown) {
    to.dispatched(failed(row, request, thrown, undefined));
    return;
  }
  const call = createCall(row.operation, input, {
    caller: options.caller,
    cancel: request.cancel,
    deadlineMs,
    context: request.trace.traceparent === '' ? emptyContext : withValue(emptyContext, traceKey, request.trace),
  });
  const answer = row.service(options.blocks)(call);
  if (isAnswered(answer)) to.dispatched(encoded(request, decoded, { output: answer.answer, call }));
  else
    answer.then(
      (output) => to.dispatched(encoded(request, decoded, { output, call })),
      (thrown: unknown) => to.dispatched(failed(row, request, thrown, call)),
    );
}

interface Answer {
  readonly output: unknown;
  readonly call: Call<unknown>;
}

function encoded(request: Dispatchable, { row, remembered, input }: Decoded, { output, call }: Answer): Dispatched {
  try {
    const reply = remembered?.reply(output);
    if (reply !== undefined) return { reply, call, error: undefined };
    const made = row.encode(output, input);
    return { reply: remembered === undefined ? made : remembered.keepReply(output, made), call, error: undefined };
  } catch (thrown) {
    return failed(row, request, thrown, call);
  }
}

function failed(row: Row, request: Dispatchable, thrown: unknown, call: Call<unknown> | undefined): Dispatched {
  request.body.discard();
  const error = ProaError.from(thrown);
  return { reply: row.failed?.(error) ?? errorReply(error), call, error };
}

/** A request as the rows see it. */
class RoutedRequest implements RouteRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
  readonly subject: unknown;
  readonly query: Query;
  readonly body: Body;
  readonly #request: Dispatchable;
  readonly #bodyBytesMax: number;

  constructor(request: Dispatchable, match: Match, bodyBytesMax: number) {
    this.method = request.method;
    this.params = match.params;
    this.subject = match.subject;
    this.query = new Query(request.query);
    this.body = request.body;
    this.#request = request;
    this.#bodyBytesMax = bodyBytesMax;
  }

  get headers(): readonly string[] {
    return this.#request.headers;
  }

  header(name: string): string | undefined {
    return this.#request.header(name);
  }

  bytes(): Uint8Array | Promise<Uint8Array> {
    if (this.body === emptyBody) return noBytes;
    try {
      const read = collectSoon(this.body, this.#bodyBytesMax);
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
