import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { exchange } from '../../testing/middleware-call.ts';
import { clientKey } from './client-key.ts';
import { config } from './config.ts';
import driver from './index.ts';

async function rig(maxRequestsPerSecond: string) {
  const clock = createFakeClock();
  const middleware = await driver.open(v.parse(config, { maxRequestsPerSecond }), testDriverContext({ clock }));
  const send = async (remote = '192.0.2.1:1') => (await exchange(middleware, { remote })).status;
  return { clock, middleware, send };
}

describe('middleware.http.ratelimit', () => {
  it("lets a second's worth through at once and then at the rate", async () => {
    const { clock, middleware, send } = await rig('5');
    const sent = await Promise.all(Array.from({ length: 7 }, () => send()));
    expect(sent).toEqual([200, 200, 200, 200, 200, 429, 429]);
    const refused = await exchange(middleware, { body: 'x', remote: '192.0.2.1:9' });
    expect(refused).toMatchObject({ status: 429, body: 'You have reached maximum request limit.', reached: undefined });
    expect(refused.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'retry-after': '1' });
    for (let second = 0; second < 10; second++) {
      clock.advance(200);
      expect([await send(), await send()]).toEqual([200, 429]);
    }
    clock.advance(60_000);
    expect((await Promise.all(Array.from({ length: 7 }, () => send()))).filter((status) => status === 200)).toHaveLength(5);
  });

  it('takes fractions, and counts each client apart whatever its port', async () => {
    const { clock, send } = await rig('0.1');
    expect([await send('192.0.2.1:1'), await send('192.0.2.1:2'), await send('192.0.2.2:1')]).toEqual([200, 429, 200]);
    clock.advance(9_999);
    expect(await send('192.0.2.1:1')).toBe(429);
    clock.advance(1);
    expect(await send('192.0.2.1:1')).toBe(200);
  });

  it('remembers a bounded number of clients', async () => {
    const { send } = await rig('1');
    await send('a:1');
    for (let i = 0; i < 10_000; i++) await send(`c${i}:1`);
    expect([await send('a:1'), await send('c9999:1')]).toEqual([200, 429]);
  });

  it.each([
    ['192.0.2.1:80', '192.0.2.1'],
    ['[2001:DB8:0:01::1]:80', '2001:db8:0:1::/64'],
    ['2001:db8::1:2:80', '2001:db8:0:0::/64'],
    ['[::1]:80', '0:0:0:0::/64'],
    ['[::ffff:192.0.2.1]:80', '192.0.2.1'],
    ['[fe80::1%eth0]:80', 'fe80:0:0:0::/64'],
    ['/run/app.sock', '/run/app.sock'],
  ])('knows %s as %s', (remote, key) => {
    expect(clientKey(remote)).toBe(key);
  });

  it.each(['0', '-1', '', 'many', '1e3', 'Infinity'])('refuses the rate "%s"', (maxRequestsPerSecond) => {
    expect(v.safeParse(config, { maxRequestsPerSecond }).success).toBe(false);
  });
});
