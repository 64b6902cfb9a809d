import { ProaError } from '../kernel/errors.ts';
import type { Cancellation } from '../kernel/cancel.ts';
import type { Clock } from '../kernel/ports.ts';
import { fetchBytes } from './fetch-bytes.ts';
import type { HttpClient } from './http-client.ts';

/** How the client names itself at the token endpoint: `auto` tries the header, then the body (golang.org/x/oauth2 does the same). */
export type ClientAuthentication = 'auto' | 'body' | 'header';

export interface TokenRequest {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly authentication: ClientAuthentication;
  /** The form's fields without the client's own. */
  readonly form: Readonly<Record<string, string>>;
  readonly cancel?: Cancellation;
}

export interface OauthToken {
  /** `<type> <token>`, for a header. */
  readonly authorization: string;
  /** A `clock.mono()` instant; undefined when the server did not say. */
  readonly expiresAtMs: number | undefined;
}

const timeoutMs = 30_000;
const answerBytesMax = 256 * 1024;

/** Asks a token endpoint (RFC 6749, sections 3.2 and 5.1). Errors carry the endpoint's `error` code, never its other words, nor what was sent. */
export async function requestToken(request: TokenRequest): Promise<OauthToken> {
  if (request.authentication !== 'auto') return requestWith(request, request.authentication);
  try {
    return await requestWith(request, 'header');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return requestWith(request, 'body');
  }
}

class Refused extends Error {}

async function requestWith(request: TokenRequest, authentication: 'body' | 'header'): Promise<OauthToken> {
  const { clientId, clientSecret, clock } = request;
  const form = new URLSearchParams(request.form);
  const headers = ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json'];
  if (authentication === 'header') {
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
    headers.push('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
  } else {
    form.set('client_id', clientId);
    form.set('client_secret', clientSecret);
  }
  const { status, data } = await fetchBytes({
    http: request.http,
    clock,
    method: 'POST',
    url: request.tokenUrl,
    headers,
    body: Buffer.from(form.toString()),
    timeoutMs,
    bytesMax: answerBytesMax,
    ...(request.cancel !== undefined && { cancel: request.cancel }),
  });
  const answer = parse(data);
  if (status < 200 || status > 299) {
    const code = typeof answer['error'] === 'string' && /^[\w.-]{1,64}$/.test(answer['error']) ? ` (${answer['error']})` : '';
    throw new Refused(`the token endpoint answered with status ${status}${code}`);
  }
  return tokenOf(answer, clock);
}

function tokenOf(answer: Readonly<Record<string, unknown>>, clock: Clock): OauthToken {
  const { access_token: token, token_type: type, expires_in: seconds } = answer;
  // What goes into a header must not be able to end it.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token))
    throw new ProaError('unavailable', 'the token endpoint answered without an access_token');
  const lifeMs = Number(seconds) * 1000;
  return {
    authorization: `${typeName(type)} ${token}`,
    expiresAtMs: Number.isFinite(lifeMs) && lifeMs > 0 ? clock.mono() + lifeMs : undefined,
  };
}

// Servers write `bearer`; clients of the header expect the scheme's usual spelling.
function typeName(type: unknown): string {
  if (typeof type !== 'string' || !/^[A-Za-z][\w.-]{0,31}$/.test(type) || type.toLowerCase() === 'bearer') return 'Bearer';
  return type;
}

function parse(data: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.length).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
