import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createNodeDisk } from '../../ports/node/disk.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { cryptoSuite } from '../../testing/crypto-suite.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import driver from './index.ts';

cryptoSuite({
  name: 'crypto.dapr.localstorage',
  open: (keys) => {
    const disk = createMemoryDisk(Object.fromEntries(keys.map(({ name, jwk }) => [`/keys/${name}`, JSON.stringify(jwk)])));
    return driver.open({ path: '/keys' }, testDriverContext({ disk }));
  },
});

describe('crypto.dapr.localstorage', () => {
  let base = '';
  beforeAll(() => (base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'crypto-local-')))));
  afterAll(() => fs.rmSync(base, { recursive: true, force: true }));
  const fileKey = Buffer.alloc(32, 7);
  const open = () =>
    driver.open({ path: path.join(base, 'keys') }, testDriverContext({ disk: createNodeDisk(createNodeRandom()), name: 'keys' }));
  const write = (name: string, content: string | Uint8Array): void => {
    fs.mkdirSync(path.dirname(path.join(base, name)), { recursive: true });
    fs.writeFileSync(path.join(base, name), content);
  };

  it('reads PEM of every usual form, raw bytes and base64', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    write('keys/pkcs8.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }));
    write('keys/sub/pkcs1', privateKey.export({ type: 'pkcs1', format: 'pem' }));
    write('keys/spki.pem', publicKey.export({ type: 'spki', format: 'pem' }));
    const raw = Buffer.concat([Buffer.from('{'), Buffer.alloc(31, 0xff)]);
    write('keys/raw', raw);
    write('keys/base64', `${raw.toString('base64')}\n`);
    write('keys/base64url', raw.toString('base64url'));
    const provider = await open();
    const { wrappedKey } = await provider.wrapKey('spki.pem', 'RSA-OAEP-256', fileKey);
    for (const name of ['pkcs8.pem', 'sub/pkcs1']) expect(await provider.unwrapKey(name, 'RSA-OAEP-256', wrappedKey)).toEqual(fileKey);
    const { wrappedKey: wrapped } = await provider.wrapKey('raw', 'A256KW', fileKey);
    for (const name of ['base64', 'base64url']) expect(await provider.unwrapKey(name, 'A256KW', wrapped)).toEqual(fileKey);
  });

  it('follows links inside the directory, as mounted secrets have them, and nothing out of it', async () => {
    write('keys/..data/mounted', Buffer.alloc(32, 1));
    fs.symlinkSync('..data/mounted', path.join(base, 'keys/mounted'));
    write('outside', Buffer.alloc(32, 2));
    fs.symlinkSync('../outside', path.join(base, 'keys/link'));
    const provider = await open();
    expect((await provider.wrapKey('mounted', 'A256KW', fileKey)).wrappedKey).toHaveLength(40);
    await expect(provider.wrapKey('link', 'A256KW', fileKey)).rejects.toThrow("key 'link' lies outside of the key directory");
    for (const name of ['../outside', 'sub/../../outside', 'a\0b']) {
      await expect(provider.wrapKey(name, 'A256KW', fileKey)).rejects.toThrow("cannot contain '..'");
    }
  });

  it('says what is wrong with a file without quoting it', async () => {
    write('keys/empty', '');
    write('keys/broken.json', '{"kty":"oct","k":canary}');
    write('keys/no-k.json', '{"kty":"oct"}');
    write('keys/odd.json', '{"kty":"canary"}');
    write('keys/broken.pem', '-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n');
    write('keys/large', 'x'.repeat(70_000));
    const provider = await open();
    const cases: [string, RegExp][] = [
      ['empty', /key is empty/],
      ['broken.json', /not valid JSON$/],
      ['no-k.json', /needs its key "k"/],
      ['odd.json', /not a valid key of type/],
      ['broken.pem', /not a valid PEM key/],
      ['large', /larger than 65536 bytes/],
    ];
    for (const [name, message] of cases) await expect(provider.wrapKey(name, 'A256KW', fileKey)).rejects.toThrow(message);
  });

  it('needs a directory', async () => {
    for (const at of ['/nowhere', '/file']) {
      const opened = driver.open({ path: at }, testDriverContext({ disk: createMemoryDisk({ '/file': '' }), name: 'keys' }));
      await expect(opened).rejects.toMatchObject({
        code: 'component.init-failed',
        message: expect.stringContaining(`crypto provider keys: path '${at}'`),
      });
    }
  });
});
