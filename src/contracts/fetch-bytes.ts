import { BodyTooLarge, bytesBody, collect, emptyBody } from '../kernel/body.ts';
import { CancelScope, type Cancellation } from '../kernel/cancel.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Clock } from '../kernel/ports.ts';
import { addressKind, isAddress } from './egress.ts';
import type { HttpClient, HttpClientRequest } from './http-client.ts';

/** TLS parameters of a client. `serverName`: the name in the server's certificate where it is not the URL's host. */
export type ClientTls = Omit<NonNullable<HttpClientRequest['tls']>, 'serverName'> & { readonly serverName?: string };

/** The parts of an http or https URL that a client needs; fails with an Error for any other text, for credentials in it, and for link-local addresses. */
export function httpTarget(
  url: string,
  tls: ClientTls = {},
): Pick<HttpClientRequest, 'address' | 'tls' | 'target'> & { readonly authority: string } {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new Error(`"${url}" is not a URL`);
  }
  const secure = parsed.protocol === 'https:';
  if (!secure && parsed.protocol !== 'http:') throw new Error(`"${url}" is neither http nor https`);
  if (parsed.username !== '' || parsed.password !== '') throw new Error(`the URL of ${parsed.host} must not hold credentials`);
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  // The URL parser has made one of every spelling (decimal, octal, short); names are judged when they are resolved.
  if (isAddress(host) && addressKind(host) === 'forbidden')
    throw new Error(`"${host}" is a link-local address, where machines hand out their credentials: it is not called`);
  const port = parsed.port === '' ? (secure ? 443 : 80) : Number(parsed.port);
  return {
    address: { host, port },
    target: parsed.pathname + parsed.search,
    authority: parsed.host,
    ...(secure && { tls: { serverName: host, ...tls } }),
  };
}

export interface FetchOptions {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly method?: string;
  readonly url: string;
  /** Flat pairs, names in lower case, without `host`. */
  readonly headers?: readonly string[];
  readonly body?: Uint8Array;
  readonly tls?: ClientTls;
  readonly cancel?: Cancellation;
  /** For the whole answer, its body included; absent: no limit. */
  readonly timeoutMs?: number;
  readonly bytesMax: number;
}

export interface Fetched {
  readonly status: number;
  readonly headers: readonly string[];
  readonly data: Uint8Array;
}

/** Calls a server and reads its whole answer. Redirects are not followed. Fails as `HttpClient` does, and with `overloaded` for an answer that is too large. */
export async function fetchBytes(options: FetchOptions): Promise<Fetched> {
  const { http, clock, body, bytesMax, timeoutMs } = options;
  const { authority, ...where } = httpTarget(options.url, options.tls);
  const scope = new CancelScope();
  const unlink = options.cancel?.onCancel((reason) => scope.cancel(reason));
  const late = (): void => scope.cancel(new ProaError('deadline-exceeded', `${authority} did not answer within ${timeoutMs} ms`));
  const timer = timeoutMs === undefined ? undefined : clock.timer(timeoutMs, late);
  try {
    const response = await http.request({
      ...where,
      method: options.method ?? 'GET',
      headers: ['host', authority, ...(options.headers ?? [])],
      body: body === undefined ? emptyBody : bytesBody(body),
      cancel: scope,
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    return { status: response.status, headers: response.headers, data: await orCancelled(collect(response.body, bytesMax), scope) };
  } catch (cause) {
    if (cause instanceof BodyTooLarge)
      throw new ProaError('overloaded', `the answer of ${authority} is larger than ${bytesMax} bytes`, { cause });
    throw cause;
  } finally {
    timer?.cancel();
    unlink?.();
  }
}

// A client may be done with the call when it has handed the body over: giving up must not depend on it.
function orCancelled<T>(work: Promise<T>, scope: CancelScope): Promise<T> {
  return new Promise((resolve, reject) => {
    const unlink = scope.onCancel((reason) => reject(reason as Error));
    work.then(resolve, reject).finally(unlink);
  });
}

/** The same for JSON documents of servers: a status other than 200, or what is not JSON, is an error. */
export async function fetchJson(options: FetchOptions): Promise<unknown> {
  const { status, data } = await fetchBytes({ ...options, headers: ['accept', 'application/json', ...(options.headers ?? [])] });
  if (status !== 200) throw new Error(`${options.url} answered with status ${status}`);
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8'));
  } catch {
    throw new Error(`${options.url} did not answer with JSON`);
  }
}
