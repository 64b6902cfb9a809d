import { timingSafeEqual } from 'node:crypto';
import type { InferOutput } from 'valibot';
import { derive, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { compilePattern } from '../../kernel/linear-pattern.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { httpTarget } from '../../contracts/fetch-bytes.ts';
import { firstHeader, withHeader } from '../../contracts/header-pairs.ts';
import type { HttpMiddleware, HttpRequest, HttpResponse } from '../../contracts/middleware.ts';
import { requestToken } from '../../contracts/oauth-token.ts';
import { plainResponse } from '../../contracts/plain-response.ts';
import type { config } from './config.ts';
import { createSessions, type Session, type Sessions } from './sessions.ts';

type Options = InferOutput<typeof config>;

const cookieName = 'proa-oauth2';
const returnCharsMax = 4_096;

/**
 * Lets browsers log in by the authorization code flow (RFC 6749, section 4.1). The token stays here, in a session that a cookie names, and goes into a header for
 * what follows. The session is a new one after the login, so that an id planted before it is worth nothing.
 */
export async function openOauth2(options: Options, context: DriverContext): Promise<HttpMiddleware> {
  const { clock, random } = context.ports;
  let matches: (path: string) => boolean;
  try {
    matches = options.pathFilter === '' ? () => true : compilePattern(options.pathFilter);
    httpTarget(options.authURL);
    httpTarget(options.tokenURL);
  } catch (cause) {
    throw new ProaError('component.init-failed', `middleware ${context.name}: ${(cause as Error).message}`, { cause });
  }
  const sessions = createSessions(clock, random);
  const headerName = options.authHeaderName.toLowerCase();
  return {
    filter: (next) => (call) => {
      const { target } = call.input;
      if (!matches(target.split('?', 1)[0] as string)) return next(call);
      const id = cookieOf(call.input);
      const session = sessions.get(id);
      if (session?.kind === 'user') {
        return next(derive(call, { input: { ...call.input, headers: withHeader(call.input.headers, headerName, session.authorization) } }));
      }
      const query = new URLSearchParams(target.split('?').slice(1).join('?'));
      const state = query.get('state') ?? '';
      if (state === '') return Promise.resolve(startLogin(call.input, { options, sessions, state: random.uuid() }));
      return finishLogin(call, { options, context, sessions, id, session, state, code: query.get('code') ?? '' });
    },
    close: async () => {},
  };
}

function startLogin(request: HttpRequest, login: { options: Options; sessions: Sessions; state: string }): HttpResponse {
  const { options, sessions, state } = login;
  const id = sessions.add({ kind: 'login', state, returnTo: returnTarget(request, options.forceHTTPS) });
  const url = new URL(options.authURL);
  url.searchParams.set('access_type', 'offline');
  url.searchParams.set('client_id', options.clientID);
  if (options.redirectURL !== '') url.searchParams.set('redirect_uri', options.redirectURL);
  url.searchParams.set('response_type', 'code');
  const scopes = options.scopes.split(',').map((word) => word.trim());
  if (options.scopes !== '') url.searchParams.set('scope', scopes.join(' '));
  url.searchParams.set('state', state);
  return redirect(request, url.href, setCookie(id, options));
}

interface Finish {
  readonly options: Options;
  readonly context: DriverContext;
  readonly sessions: Sessions;
  readonly id: string | undefined;
  readonly session: Session | undefined;
  readonly state: string;
  readonly code: string;
}

async function finishLogin(call: Call<HttpRequest>, finish: Finish): Promise<HttpResponse> {
  const { options, context, sessions, id, session } = finish;
  const request = call.input;
  if (id === undefined || session?.kind !== 'login' || !sameText(session.state, finish.state))
    return plainResponse(request, 400, { text: 'invalid state' });
  if (finish.code === '') return plainResponse(request, 400, { text: 'code not found' });
  // A state is good for one attempt.
  sessions.remove(id);
  try {
    const token = await requestToken({
      http: context.http,
      clock: context.ports.clock,
      tokenUrl: options.tokenURL,
      clientId: options.clientID,
      clientSecret: options.clientSecret,
      authentication: 'auto',
      form: {
        grant_type: 'authorization_code',
        code: finish.code,
        ...(options.redirectURL !== '' && { redirect_uri: options.redirectURL }),
      },
      cancel: call.cancel,
    });
    const user = sessions.add({ kind: 'user', authorization: token.authorization }, token.expiresAtMs);
    return redirect(request, session.returnTo, setCookie(user, options));
  } catch (error) {
    context.log.error('the login cannot be finished', { component: context.name, error: (error as Error).message });
    return plainResponse(request, 500, { text: 'Internal Server Error' });
  }
}

// Only a path of this server: `//host` and `/\host` would lead browsers elsewhere.
function returnTarget(request: HttpRequest, forceHttps: boolean): string {
  const path = `/${request.target.replace(/^[/\\]+/, '')}`;
  const target = path.length > returnCharsMax || /[^\x21-\x7e]/.test(path) ? '/' : path;
  const host = firstHeader(request.headers, 'host');
  return forceHttps && host !== undefined && /^[\w.:[\]-]+$/.test(host) ? `https://${host}${target}` : target;
}

function redirect(request: HttpRequest, location: string, cookie: string): HttpResponse {
  return plainResponse(request, 302, { text: '', headers: ['location', location, 'set-cookie', cookie, 'cache-control', 'no-store'] });
}

function setCookie(id: string, options: Options): string {
  return `${cookieName}=${id}; Path=/; HttpOnly; SameSite=Lax${options.forceHTTPS ? '; Secure' : ''}`;
}

function cookieOf(request: HttpRequest): string | undefined {
  for (let i = 0; i < request.headers.length; i += 2) {
    if (request.headers[i] !== 'cookie') continue;
    for (const pair of (request.headers[i + 1] as string).split(';')) {
      const equals = pair.indexOf('=');
      if (equals > 0 && pair.slice(0, equals).trim() === cookieName) return pair.slice(equals + 1).trim();
    }
  }
  return undefined;
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
