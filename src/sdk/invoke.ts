import { catalogue, type ErrorCode } from '../kernel/catalogue.ts';
import { ProaError } from '../kernel/errors.ts';
import { canonicalMethod } from '../kernel/method-path.ts';
import { problemType, readProblem } from '../kernel/problem.ts';
import { grpcFromHttp } from '../kernel/status.ts';
import type { CallOptions } from './asking.ts';
import { fromJson, payload } from './json.ts';
import type { Invocation, InvocationAnswer } from './operations.ts';

export interface InvokeOptions extends CallOptions {
  /** POST with data, GET without. */
  readonly httpMethod?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly contentType?: string;
}

/** A call out of what an app says. `method` may have a query behind a question mark. Fails with `bad-request` for a method that is none. */
export function invocationOf(
  appId: string,
  { method, data }: { readonly method: string; readonly data: unknown },
  options: InvokeOptions,
): Invocation {
  const at = method.indexOf('?');
  const named = canonicalMethod((at < 0 ? method : method.slice(0, at)).replace(/^\/+/, ''));
  if ('error' in named) throw new ProaError('bad-request', `method ${JSON.stringify(method)} of app "${appId}": ${named.error}`);
  const sent = data === undefined ? undefined : payload(data, options.contentType, 'the data of a call');
  const headers = Object.entries(options.headers ?? {}).flatMap(([name, value]) => [name.toLowerCase(), value]);
  return {
    appId,
    path: named.path,
    httpMethod: options.httpMethod ?? (sent === undefined ? 'GET' : 'POST'),
    query: at < 0 ? '' : method.slice(at + 1),
    headers: sent === undefined ? headers : ['content-type', sent.type, ...headers],
    body: sent?.bytes ?? new Uint8Array(0),
  };
}

/** The value of an answer: JSON as a value, `application/octet-stream` as bytes, the rest as text. A problem document is its error again; another status of 400 and more is an error by its status. */
export function invoked(appId: string, method: string, { status, headers, body }: InvocationAnswer): unknown {
  if (status < 400) {
    if (isJson(headers) || body.length === 0) return fromJson(body);
    return typeOf(headers).startsWith('application/octet-stream') ? body : text(body);
  }
  throw (
    failureOf(status, headers, body) ??
    new ProaError(codeOfHttp(status), `app "${appId}" answered ${method} with status ${status}: ${text(body).slice(0, 200)}`)
  );
}

/** The error that a problem document of ours stands for. */
export function failureOf(status: number, headers: readonly string[], body: Uint8Array): ProaError | undefined {
  return status >= 400 && typeOf(headers).startsWith(problemType) ? readProblem(text(body)) : undefined;
}

const plainCodes = new Map<string, ErrorCode>();
for (const [code, spec] of Object.entries(catalogue) as [ErrorCode, (typeof catalogue)[ErrorCode]][])
  if (!code.includes('.') && !plainCodes.has(spec.grpc)) plainCodes.set(spec.grpc, code);

/** The general code for an HTTP status. */
export function codeOfHttp(status: number): ErrorCode {
  return plainCodes.get(grpcFromHttp(status)) ?? 'unknown';
}

function typeOf(headers: readonly string[]): string {
  const at = headers.findIndex((name, i) => i % 2 === 0 && name.toLowerCase() === 'content-type');
  return at < 0 ? '' : (headers[at + 1] as string).toLowerCase();
}

function isJson(headers: readonly string[]): boolean {
  return /[/+]json\b/.test(typeOf(headers));
}

function text(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
}
