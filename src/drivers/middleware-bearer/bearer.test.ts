import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWK } from 'jose';
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { bytesBody } from '../../kernel/body.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { exchange } from '../../testing/middleware-call.ts';
import { config } from './config.ts';
import driver from './index.ts';

const issuer = 'https://login.example/tenant';
const keys: Record<string, { readonly privateKey: CryptoKey; readonly jwk: JWK }> = {};
beforeAll(async () => {
  for (const kid of ['one', 'two']) {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    keys[kid] = { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } };
  }
});

const set = (...kids: string[]) => ({ keys: kids.map((kid) => keys[kid]?.jwk) });

async function rig(documents: Record<string, unknown>, metadata: Record<string, string> = {}) {
  const clock = createFakeClock();
  const lines: string[] = [];
  const urls: string[] = [];
  const context = testDriverContext({
    clock,
    name: 'auth',
    log: recordingLogger(lines),
    http: {
      async request({ tls, headers, target }) {
        const url = `${tls === undefined ? 'http' : 'https'}://${headers[1]}${target}`;
        urls.push(url);
        const document = documents[url];
        return { status: document === undefined ? 404 : 200, headers: [], body: bytesBody(Buffer.from(JSON.stringify(document ?? {}))) };
      },
      close: async () => {},
    },
  });
  const middleware = await driver.open(v.parse(config, { issuer, audience: 'shop', ...metadata }), context);
  const status = async (token: string | undefined, scheme = 'Bearer') =>
    (await exchange(middleware, { headers: token === undefined ? {} : { authorization: `${scheme} ${token}` } })).status;
  const now = () => Math.floor(clock.now() / 1000);
  const token = (changes: Record<string, unknown> = {}, kid = 'one', signer = kid) =>
    new SignJWT({ iss: issuer, aud: 'shop', exp: now() + 60, ...changes })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(keys[signer]?.privateKey as CryptoKey);
  return { clock, lines, urls, middleware, status, token, now };
}

const discovery = (changes: Record<string, unknown> = {}) => ({
  [`${issuer}/.well-known/openid-configuration`]: { issuer, jwks_uri: 'https://keys.example/jwks', ...changes },
  'https://keys.example/jwks': set('one'),
});

describe('middleware.http.bearer', () => {
  it('lets a valid token through and answers 401 to everything else', async () => {
    const { status, token, now, middleware } = await rig(discovery());
    expect(await status(await token())).toBe(200);
    expect(await status(await token(), 'bEaReR')).toBe(200);
    expect(await status(await token({ aud: ['x', 'shop'], exp: now() - 299 }))).toBe(200);
    const bad: (string | undefined)[] = [
      undefined,
      'short',
      'x'.repeat(40),
      await token({ aud: 'other' }),
      await token({ aud: undefined }),
      await token({ iss: 'https://login.example' }),
      await token({ exp: now() - 301 }),
      await token({ nbf: now() + 301 }),
      await token({}, 'one', 'two'),
      await token({}, 'two'),
      new UnsecuredJWT({ iss: issuer, aud: 'shop' }).encode(),
      `${(await token()).slice(0, -4)}AAAA`,
      await new SignJWT({ iss: issuer, aud: 'shop' })
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(Buffer.from(JSON.stringify(keys['one']?.jwk))),
      await token({ filler: 'x'.repeat(20_000) }),
    ];
    for (const [index, one] of bad.entries()) expect([index, await status(one)]).toEqual([index, 401]);
    expect(await status(await token(), 'Basic')).toBe(401);
    expect(await exchange(middleware, { method: 'POST', body: 'data' })).toMatchObject({
      body: 'Unauthorized',
      headers: { 'www-authenticate': 'Bearer' },
      reached: undefined,
    });
  });

  it('finds a new key after a rotation, without letting strangers make it ask each time', async () => {
    const documents: Record<string, unknown> = { 'http://keys.example/jwks': set('one') };
    const { clock, urls, lines, status, token } = await rig(documents, { jwksURL: 'http://keys.example/jwks' });
    documents['http://keys.example/jwks'] = set('two');
    expect(await status(await token({}, 'two'))).toBe(401);
    expect(urls).toHaveLength(1);
    clock.advance(60_000);
    expect(await Promise.all([status(await token({}, 'two')), status(await token({}, 'two'))])).toEqual([200, 200]);
    expect(urls).toHaveLength(2);
    delete documents['http://keys.example/jwks'];
    clock.advance(600_000);
    expect(await status(await token({}, 'two'))).toBe(200);
    await new Promise((resolve) => setImmediate(resolve));
    expect(urls).toHaveLength(3);
    expect(lines.join()).toContain('the last ones stay');
    expect(await status(await token({}, 'two'))).toBe(200);
  });

  it.each([
    [{}, { issuer: '' }, "'issuer' is required"],
    [{}, { audience: '' }, "'audience' is required"],
    [{}, {}, 'answered with status 404'],
    [discovery({ issuer: `${issuer}/` }), {}, 'is not the one of'],
    [discovery({ jwks_uri: undefined }), {}, "does not contain a 'jwks_uri'"],
    [{ 'https://k/': { no: 1 } }, { jwksURL: 'https://k/' }, 'has no list "keys"'],
    [{}, { jwksURL: 'file:///etc/keys' }, 'neither http nor https'],
  ])('refuses to start: %j %j', async (documents, metadata: Record<string, string>, message) => {
    await expect(rig(documents, metadata)).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringContaining(message),
    });
  });

  it('takes the older names', async () => {
    const { status, token } = await rig(discovery(), { issuer: '', audience: '', issuerURL: issuer, clientID: 'shop' });
    expect(await status(await token())).toBe(200);
  });
});
