import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { exchange } from '../../testing/middleware-call.ts';
import { tokenEndpoint } from '../../testing/token-endpoint.ts';
import { config } from './config.ts';
import driver from './index.ts';

const metadata = {
  clientID: 'id:1',
  clientSecret: 'canary-secret',
  scopes: 'read,write',
  tokenURL: 'https://login.example/token',
  headerName: 'X-Token',
};

async function rig(
  changes: Record<string, string> = {},
  answer: Parameters<typeof tokenEndpoint>[0] = (n) => ({
    status: 200,
    json: { access_token: `t${n}`, token_type: 'bearer', expires_in: 60 },
  }),
) {
  const clock = createFakeClock();
  const lines: string[] = [];
  const { http, requests } = tokenEndpoint(answer);
  const middleware = await driver.open(
    v.parse(config, { ...metadata, ...changes }),
    testDriverContext({ clock, http, log: recordingLogger(lines), name: 'cc' }),
  );
  const send = (target = '/', headers: Record<string, string> = {}) => exchange(middleware, { target, headers });
  return { clock, lines, requests, send };
}

describe('middleware.http.oauth2clientcredentials', () => {
  it('fetches one token for all and a new one shortly before it expires', async () => {
    const { clock, requests, send } = await rig();
    const sent = await Promise.all([send(), send(), send('/', { 'x-token': 'forged' })]);
    expect(sent.map(({ reached }) => reached?.headers['x-token'])).toEqual(['Bearer t1', 'Bearer t1', 'Bearer t1']);
    expect(requests).toEqual([
      {
        url: 'https://login.example/token',
        form: { grant_type: 'client_credentials', scope: 'read write' },
        authorization: 'id%3A1:canary-secret',
      },
    ]);
    clock.advance(49_999);
    expect((await send()).reached?.headers['x-token']).toBe('Bearer t1');
    clock.advance(1);
    expect((await send()).reached?.headers['x-token']).toBe('Bearer t2');
  });

  it.each([
    ['0', ['header', 'body']],
    ['1', ['body']],
    ['2', ['header']],
  ])('authenticates with style %s by %j', async (authStyle, ways) => {
    const { requests, send } = await rig({ authStyle, endpointParamsQuery: 'audience=a%20b&grant_type=evil' }, (n) =>
      n < ways.length
        ? { status: 401, json: { error: 'invalid_client' } }
        : { status: 200, json: { access_token: 'x', token_type: 'MAC' } },
    );
    expect((await send()).reached?.headers['x-token']).toBe('MAC x');
    expect(
      requests.map(({ authorization, form }) =>
        authorization === undefined && form['client_secret'] === 'canary-secret' ? 'body' : 'header',
      ),
    ).toEqual(ways);
    expect(requests[0]?.form).toMatchObject({ audience: 'a b', grant_type: 'client_credentials' });
  });

  it('touches only what the filter matches', async () => {
    const { requests, send } = await rig({ pathFilter: '^/v1\\.0/invoke/.+' });
    expect((await send('/healthz?x=/v1.0/invoke/a')).reached?.headers).toEqual({});
    expect(requests).toHaveLength(0);
    expect((await send('/v1.0/invoke/a')).reached?.headers).toEqual({ 'x-token': 'Bearer t1' });
  });

  it.each([
    [{ status: 400, json: { error: 'invalid_scope', error_description: 'canary' } }, 'status 400 (invalid_scope)'],
    [{ status: 500, json: { error: 'canary canary' } }, 'status 500"'],
    [{ status: 200, json: { error: 'x' } }, 'without an access_token'],
    [{ status: 200, json: { access_token: 'a\r\nX-Evil: 1' } }, 'without an access_token'],
  ])('answers 502 when the endpoint says %j, and tries again with the next request', async (bad, logged) => {
    let broken = true;
    const { lines, send } = await rig({ authStyle: '2' }, () => (broken ? bad : { status: 200, json: { access_token: 'ok' } }));
    expect(await send()).toMatchObject({ status: 502, reached: undefined });
    expect(lines.join()).toContain(logged);
    expect(lines.join()).not.toContain('canary');
    broken = false;
    expect((await send()).reached?.headers['x-token']).toBe('Bearer ok');
  });

  it('refuses configuration that cannot work', async () => {
    for (const name of Object.keys(metadata)) expect(v.safeParse(config, { ...metadata, [name]: '' }).success).toBe(false);
    expect(v.safeParse(config, { ...metadata, authStyle: '3' }).success).toBe(false);
    await expect(rig({ pathFilter: '(' })).rejects.toMatchObject({ code: 'component.init-failed' });
    await expect(rig({ tokenURL: 'login' })).rejects.toMatchObject({ message: 'middleware cc: "login" is not a URL' });
  });
});
