import { bytesBody, collect, emptyBody, type Body } from '../kernel/body.ts';
import { createCall } from '../kernel/call.ts';
import type { HttpMiddleware, HttpRequest, HttpResponse } from '../contracts/middleware.ts';

export interface MiddlewareExchange {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What reached the end of the pipeline; undefined when the middleware answered by itself. */
  readonly reached:
    | (Omit<HttpRequest, 'body' | 'headers'> & { readonly headers: Readonly<Record<string, string>>; readonly body: string })
    | undefined;
}

export interface ExchangeOptions {
  readonly method?: string;
  readonly target?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Body;
  readonly remote?: string;
  /** What the end of the pipeline answers (default: 200 and `ok`). */
  readonly response?: HttpResponse;
}

/** Sends one request through a middleware, whose next service records it. */
export async function exchange(middleware: HttpMiddleware, options: ExchangeOptions = {}): Promise<MiddlewareExchange> {
  const { method = 'GET', target = '/', headers = {}, body = '', remote = '192.0.2.1:5000' } = options;
  let reached: MiddlewareExchange['reached'];
  const service = middleware.filter(async (call) => {
    const { body: sent, headers: pairs, ...rest } = call.input;
    reached = { ...rest, headers: recordOf(pairs), body: await textOf(sent) };
    return options.response ?? { status: 200, headers: [], body: bytesBody(Buffer.from('ok')) };
  });
  const input: HttpRequest = {
    method,
    target,
    headers: Object.entries(headers).flat(),
    body: typeof body === 'string' ? (body === '' ? emptyBody : bytesBody(Buffer.from(body))) : body,
    remote,
  };
  const response = await service(createCall({ block: 'http', name: method, idempotent: false }, input));
  return { status: response.status, headers: recordOf(response.headers), body: await textOf(response.body), reached };
}

/** Repeated names are joined with a comma, so that a doubled header shows. */
function recordOf(pairs: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i] as string;
    record[name] = record[name] === undefined ? (pairs[i + 1] as string) : `${record[name]}, ${pairs[i + 1]}`;
  }
  return record;
}

async function textOf(body: Body): Promise<string> {
  return Buffer.from(await collect(body, 1_000_000)).toString();
}
