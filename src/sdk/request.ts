import { neverCancelled, type Cancellation } from '../kernel/cancel.ts';
import { ProaError } from '../kernel/errors.ts';
import { problemText, problemType } from '../kernel/problem.ts';
import { fromJson, toJson } from './json.ts';
import type { InvocationAnswer } from './operations.ts';

/** A call as it arrived for the app. */
export interface Received {
  /** Decoded, without a leading slash. */
  readonly path: string;
  readonly httpMethod: string;
  readonly query: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array;
  readonly cancel?: Cancellation;
}

/** A call as handlers see it. */
export interface AppRequest extends Omit<Received, 'query' | 'cancel'> {
  /** What the placeholders of the handler's path stand for. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The first value of a header, its name in any case. */
  header(name: string): string | undefined;
  /** The body as JSON; text when it is none, undefined when it is empty. */
  readonly data: unknown;
  /** The app that calls, as its runtime says; empty when there is none. */
  readonly caller: string;
  /** For calls that this one makes. */
  readonly traceparent: string;
  /** Aborts when the caller gave up. Made when it is asked for. */
  signal(): AbortSignal;
}

const replyBrand = Symbol.for('proa.sdk.reply');

/** An answer with a status and headers of its own. */
export interface Reply {
  readonly status: number;
  readonly data: unknown;
  readonly headers: Readonly<Record<string, string>>;
  readonly [replyBrand]: true;
}

/** Makes one. */
export function reply(status: number, data?: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, data, headers, [replyBrand]: true };
}

/** What a handler gets of a call. */
export function requestOf(received: Received, params: Readonly<Record<string, string>>): AppRequest {
  return new RequestView(received, params);
}

// A class, because an object with getters of its own costs more than the rest of the call: most handlers look at two or three of its fields.
class RequestView implements AppRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly #received: Received;
  #parsed: { readonly value: unknown } | undefined = undefined;
  #search: URLSearchParams | undefined = undefined;

  constructor(received: Received, params: Readonly<Record<string, string>>) {
    this.params = params;
    this.#received = received;
  }

  get path(): string {
    return this.#received.path;
  }

  get httpMethod(): string {
    return this.#received.httpMethod;
  }

  get headers(): readonly string[] {
    return this.#received.headers;
  }

  get body(): Uint8Array {
    return this.#received.body;
  }

  get query(): URLSearchParams {
    return (this.#search ??= new URLSearchParams(this.#received.query));
  }

  get data(): unknown {
    return (this.#parsed ??= { value: fromJson(this.#received.body) }).value;
  }

  get caller(): string {
    return headerOf(this.#received.headers, 'dapr-caller-app-id') ?? '';
  }

  get traceparent(): string {
    return headerOf(this.#received.headers, 'traceparent') ?? '';
  }

  // These two come out of getters, so that handlers can take them apart: `({ header }) => header('x')`.
  get header(): (name: string) => string | undefined {
    return (name) => headerOf(this.#received.headers, name.toLowerCase());
  }

  get signal(): () => AbortSignal {
    return () => (this.#received.cancel ?? neverCancelled).signal();
  }
}

function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** What a handler's answer is on the wire: nothing is 204, bytes and Responses go as they are, everything else as JSON. */
export async function answerOf(result: unknown): Promise<InvocationAnswer> {
  if (result === undefined) return { status: 204, headers: [], body: new Uint8Array(0) };
  if (isReply(result)) {
    const { body, headers } = await answerOf(result.data);
    const own = passing(Object.entries(result.headers));
    const kept = own.includes('content-type') ? [] : headers;
    return { status: result.status, headers: [...kept, ...own], body };
  }
  if (result instanceof Response)
    return { status: result.status, headers: passing([...result.headers]), body: new Uint8Array(await result.arrayBuffer()) };
  if (result instanceof Uint8Array) return { status: 200, headers: ['content-type', 'application/octet-stream'], body: result };
  return {
    status: 200,
    headers: ['content-type', 'application/json'],
    body: toJson(result, 'the answer of a handler', 'malformed-response'),
  };
}

const framing = new Set(['connection', 'content-length', 'keep-alive', 'transfer-encoding', 'upgrade']);
const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
// Printable bytes and tabs (RFC 9110, section 5.5).
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/;

// Headers as flat pairs, without those that whoever sends them writes himself. Fails for what would be more than one header.
function passing(pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.flatMap(([written, value]) => {
    const name = written.toLowerCase();
    if (!headerName.test(name) || !headerValue.test(value))
      throw new ProaError('malformed-response', `the handler answers with the header ${JSON.stringify(written)}, which cannot be sent`);
    return framing.has(name) ? [] : [name, value];
  });
}

/** A failure as a problem document; what is no ProaError is `internal`, and its text stays here. */
export function failureAnswer(thrown: unknown, traceparent: string): InvocationAnswer {
  const known = ProaError.from(thrown);
  const error = known.code === 'internal' && known !== thrown ? new ProaError('internal', 'the handler failed') : known;
  return {
    status: error.spec.http,
    headers: ['content-type', problemType],
    body: Buffer.from(problemText(error, traceparent.split('-')[1] ?? '')),
  };
}

function isReply(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && replyBrand in value;
}
