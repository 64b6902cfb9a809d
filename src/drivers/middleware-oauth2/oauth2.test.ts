import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { exchange } from '../../testing/middleware-call.ts';
import { tokenEndpoint } from '../../testing/token-endpoint.ts';
import { config } from './config.ts';
import driver from './index.ts';

const metadata = {
  clientID: 'id',
  clientSecret: 'canary-secret',
  authURL: 'https://login.example/authorize?tenant=7',
  tokenURL: 'https://login.example/token',
  redirectURL: 'https://shop.example/back',
  scopes: 'openid,profile',
};

async function rig(
  changes: Record<string, string> = {},
  answer: Parameters<typeof tokenEndpoint>[0] = () => ({
    status: 200,
    json: { access_token: 'tok', token_type: 'bearer', expires_in: 100 },
  }),
) {
  const clock = createFakeClock();
  const lines: string[] = [];
  const { http, requests } = tokenEndpoint(answer);
  const middleware = await driver.open(
    v.parse(config, { ...metadata, ...changes }),
    testDriverContext({ clock, http, log: recordingLogger(lines), name: 'login' }),
  );
  const send = (target: string, cookie = '', headers: Record<string, string> = {}) =>
    exchange(middleware, { target, headers: { host: 'shop.example', ...headers, ...(cookie !== '' && { cookie: `a=b; ${cookie}` }) } });
  /** Follows the first redirect: the cookie and the state. */
  const begin = async (target: string) => {
    const { status, headers } = await send(target);
    const url = new URL(headers['location'] as string);
    return {
      status,
      url,
      cookie: (headers['set-cookie'] as string).split(';')[0] as string,
      state: url.searchParams.get('state') as string,
      headers,
    };
  };
  return { clock, lines, requests, send, begin };
}

describe('middleware.http.oauth2', () => {
  it('sends a browser to log in and back to where it was, with the token in a header from then on', async () => {
    const { requests, send, begin } = await rig();
    const { status, url, cookie, state, headers } = await begin('/orders?id=1');
    expect(status).toBe(302);
    expect(`${url.origin}${url.pathname}`).toBe('https://login.example/authorize');
    expect(Object.fromEntries(url.searchParams)).toEqual({
      tenant: '7',
      access_type: 'offline',
      client_id: 'id',
      redirect_uri: 'https://shop.example/back',
      response_type: 'code',
      scope: 'openid profile',
      state,
    });
    expect(headers).toMatchObject({ 'set-cookie': expect.stringMatching(/; HttpOnly; SameSite=Lax$/), 'cache-control': 'no-store' });
    const back = await send(`/back?state=${state}&code=abc`, cookie);
    expect([back.status, back.headers['location']]).toEqual([302, '/orders?id=1']);
    expect(requests[0]).toMatchObject({
      form: { grant_type: 'authorization_code', code: 'abc', redirect_uri: 'https://shop.example/back' },
      authorization: 'id:canary-secret',
    });
    const user = (back.headers['set-cookie'] as string).split(';')[0] as string;
    expect(user).not.toBe(cookie);
    const { reached } = await send('/orders?id=1', user, { authorization: 'forged' });
    expect(reached?.headers['authorization']).toBe('Bearer tok');
    expect((await send('/orders', cookie)).status).toBe(302);
  });

  it('refuses answers that it did not ask for, and each state but once', async () => {
    const { requests, send, begin } = await rig();
    const [mine, other] = [await begin('/'), await begin('/')];
    for (const [query, cookie, text] of [
      [`state=${mine.state}&code=x`, '', 'invalid state'],
      [`state=${other.state}&code=x`, mine.cookie, 'invalid state'],
      ['state=x&code=x', mine.cookie, 'invalid state'],
      [`state=${mine.state}`, mine.cookie, 'code not found'],
    ] as const) {
      expect(await send(`/back?${query}`, cookie)).toMatchObject({ status: 400, body: text, reached: undefined });
    }
    expect(requests).toHaveLength(0);
    expect((await send(`/back?state=${mine.state}&code=x`, mine.cookie)).status).toBe(302);
    expect((await send(`/back?state=${mine.state}&code=x`, mine.cookie)).status).toBe(400);
  });

  it('ends sessions with their tokens, and logins that take too long', async () => {
    const { clock, send, begin } = await rig();
    const late = await begin('/');
    clock.advance(600_000);
    expect((await send(`/back?state=${late.state}&code=x`, late.cookie)).status).toBe(400);
    const { cookie, state } = await begin('/');
    const user = ((await send(`/back?state=${state}&code=x`, cookie)).headers['set-cookie'] as string).split(';')[0] as string;
    clock.advance(99_999);
    expect((await send('/', user)).status).toBe(200);
    clock.advance(1);
    expect((await send('/', user)).status).toBe(302);
  });

  it.each([
    ['//evil.example/x', 'false', '/evil.example/x'],
    ['/\\evil.example', 'false', '/evil.example'],
    [`/${'x'.repeat(5_000)}`, 'false', '/'],
    ['/a?b=c', 'true', 'https://shop.example/a?b=c'],
  ])('sends a browser that came to %s back to this server (forceHTTPS %s)', async (target, forceHTTPS, location) => {
    const { send, begin } = await rig({ forceHTTPS });
    const { cookie, state, headers } = await begin(target);
    expect(headers['set-cookie']?.endsWith('; Secure')).toBe(forceHTTPS === 'true');
    expect((await send(`/back?state=${state}&code=x`, cookie)).headers['location']).toBe(location);
  });

  it('answers 500 when the token cannot be had, and logs no secret', async () => {
    const { lines, send, begin } = await rig({}, () => ({ status: 400, json: { error: 'invalid_grant', canary: 'canary' } }));
    const { cookie, state } = await begin('/');
    expect(await send(`/back?state=${state}&code=canary-code`, cookie)).toMatchObject({ status: 500, reached: undefined });
    expect(lines.join()).toContain('invalid_grant');
    expect(lines.join()).not.toContain('canary');
  });

  it('leaves alone what the filter does not match, and uses the header that it is told', async () => {
    const { send, begin } = await rig({ pathFilter: '^/(private|back)', authHeaderName: 'X-User' });
    expect((await send('/public')).reached?.headers).toEqual({ host: 'shop.example' });
    const { cookie, state } = await begin('/private');
    const user = ((await send(`/back?state=${state}&code=x`, cookie)).headers['set-cookie'] as string).split(';')[0] as string;
    expect((await send('/private', user)).reached?.headers['x-user']).toBe('Bearer tok');
  });

  it('refuses configuration that cannot work', async () => {
    for (const name of ['clientID', 'clientSecret', 'authURL', 'tokenURL'])
      expect(v.safeParse(config, { ...metadata, [name]: '' }).success).toBe(false);
    for (const changes of [{ authURL: 'javascript:x' }, { tokenURL: 'x' }, { pathFilter: '(?=x)' }]) {
      await expect(rig(changes as Record<string, string>)).rejects.toMatchObject({ code: 'component.init-failed' });
    }
  });
});
