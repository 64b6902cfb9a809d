import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { bytesBody } from '../../kernel/body.ts';
import type { HttpClient, HttpClientRequest } from '../../contracts/http-client.ts';
import { cryptoSuite } from '../../testing/crypto-suite.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { config } from './config.ts';
import driver from './index.ts';

const one = (kid: string) => ({ kty: 'oct', kid, k: Buffer.alloc(32, kid).toString('base64url') });
const setOf = (...kids: string[]) => JSON.stringify({ keys: kids.map(one) });
const fileKey = Buffer.alloc(32, 9);

function rig(jwks: string, answer: (request: HttpClientRequest) => { status: number; text: string } = () => ({ status: 404, text: '' })) {
  const clock = createFakeClock();
  const disk = createMemoryDisk({ '/etc/jwks.json': setOf('from-file') });
  const lines: string[] = [];
  const requests: HttpClientRequest[] = [];
  const http: HttpClient = {
    async request(request) {
      requests.push(request);
      const { status, text } = answer(request);
      return { status, headers: [], body: bytesBody(Buffer.from(text)) };
    },
    close: async () => {},
  };
  const open = () =>
    driver.open(v.parse(config, { jwks }), testDriverContext({ clock, disk, http, log: recordingLogger(lines), name: 'vault' }));
  return { clock, disk, lines, requests, open };
}

cryptoSuite({
  name: 'crypto.dapr.jwks',
  open: (keys) => rig(JSON.stringify({ keys: keys.map(({ name, jwk }) => ({ ...jwk, kid: name })) })).open(),
});

describe('crypto.dapr.jwks', () => {
  it.each([setOf('k'), Buffer.from(setOf('k')).toString('base64'), ` ${setOf('k')}\n`])('takes the set itself: %s', async (jwks) => {
    expect((await (await rig(jwks).open()).wrapKey('k', 'A256KW', fileKey)).wrappedKey).toHaveLength(40);
  });

  it('takes a file and follows its changes', async () => {
    const { open, disk, clock } = rig('/etc/jwks.json');
    const provider = await open();
    await provider.wrapKey('from-file', 'A256KW', fileKey);
    disk.put('/etc/jwks.json', setOf('new'));
    clock.advance(5_000);
    await provider.wrapKey('new', 'A256KW', fileKey);
    await expect(provider.wrapKey('from-file', 'A256KW', fileKey)).rejects.toThrow('not found');
  });

  it('fetches from a URL, not more often than allowed, and keeps the keys when the server fails', async () => {
    let text = setOf('first');
    let status = 200;
    const { open, clock, requests, lines } = rig('https://keys.example:8443/a?b', () => ({ status, text }));
    const provider = await open();
    expect(requests[0]).toMatchObject({
      address: { host: 'keys.example', port: 8443 },
      tls: { serverName: 'keys.example' },
      target: '/a?b',
      headers: expect.arrayContaining(['host', 'keys.example:8443']),
    });
    text = setOf('second');
    await expect(provider.wrapKey('second', 'A256KW', fileKey)).rejects.toThrow("key 'second' not found");
    expect(requests).toHaveLength(1);
    clock.advance(600_000);
    await Promise.all([1, 2, 3].map(() => provider.wrapKey('second', 'A256KW', fileKey)));
    expect(requests).toHaveLength(2);
    status = 500;
    clock.advance(600_000);
    await provider.wrapKey('second', 'A256KW', fileKey);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines.join()).toContain('the last one stays');
    await provider.wrapKey('second', 'A256KW', fileKey);
    expect(requests).toHaveLength(3);
  });

  it('leaves out keys of unknown types and without a name', async () => {
    const provider = await rig(JSON.stringify({ keys: [{ kty: 'XYZ', kid: 'x' }, { kty: 'oct', k: 'AAAA' }, null, one('k')] })).open();
    await provider.wrapKey('k', 'A256KW', fileKey);
    await expect(provider.wrapKey('x', 'A256KW', fileKey)).rejects.toThrow("key 'x' not found");
  });

  it.each([
    ['{"keys": canary}', /not valid JSON$/],
    ['{"canary": []}', /no list "keys"/],
    ['{"keys":[{"kty":"oct","kid":"a"}]}', /key 0 of the key set \("a"\)/],
    ['canary canary', /^crypto provider vault: jwks is neither/],
    ['http://keys.example/404', /answered with status 404/],
    ['http://canary:canary@keys.example/', /must not hold credentials/],
  ])('refuses %s without quoting secrets', async (jwks, message) => {
    const failure = await rig(jwks)
      .open()
      .then(
        () => undefined,
        (error: unknown) => error as Error,
      );
    expect(failure).toMatchObject({ code: 'component.init-failed', message: expect.stringMatching(message) });
    expect(failure?.message).not.toContain('canary');
  });
});
