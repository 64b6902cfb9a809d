import { constants, createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { BlockContext } from '../../contracts/block-context.ts';
import { fixedComponents, type Component } from '../../contracts/component-set.ts';
import { ungoverned } from '../../contracts/governance.ts';
import { createLocalCryptoProvider, keyOfJwk, type LocalKey } from '../../contracts/local-keys.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { hchacha20 } from '../../contracts/xchacha.ts';
import { createCall } from '../../kernel/call.ts';
import { recordingLogger, testPorts } from '../../testing/driver-context.ts';
import { createCryptoBlock } from './index.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const odd = generateKeyPairSync('rsa', { modulusLength: 2047 });
const ed = generateKeyPairSync('ed25519');
const secret = (bytes: number): LocalKey => keyOfJwk({ kty: 'oct', k: Buffer.alloc(bytes, 7).toString('base64url') });
const keys: Record<string, LocalKey> = {
  k16: secret(16),
  k24: secret(24),
  k32: secret(32),
  rsa: { key: rsa.privateKey },
  'rsa-public': { key: rsa.publicKey },
  odd: { key: odd.privateKey },
  ed: { key: ed.privateKey },
  'sign-only': { ...secret(32), use: 'sig' },
  'only-encrypts': { ...secret(32), operations: ['encrypt'] },
  'for-gcm': { ...secret(32), algorithm: 'A256GCM' },
};

const lines: string[] = [];
const context: BlockContext = {
  ports: testPorts(),
  log: recordingLogger(lines),
  metrics: noMetrics,
  appId: 'app',
  namespace: '',
  govern: ungoverned,
};
const component: Component<'crypto'> = {
  name: 'vault',
  type: 'crypto.test',
  version: 'v1',
  properties: {},
  definition: {} as Component<'crypto'>['definition'],
  driver: createLocalCryptoProvider({ find: async (name) => keys[name], close: async () => {} }),
};
const { subtle } = createCryptoBlock(context, { providers: fixedComponents([component]) });
const operation = { block: 'crypto', name: 'subtle', idempotent: true };
const none = new Uint8Array(0);
const text = Buffer.from('sixteen bytes...');
const message = (over: object) => ({ provider: 'vault', nonce: none, associatedData: none, data: text, ...over }) as never;
const call = <T>(input: T) => createCall(operation, input);

describe('single operations with a key', () => {
  it.each([
    ['k16', 'A128CBC', 16],
    ['k24', 'A192CBC', 16],
    ['k32', 'A256CBC', 16],
    ['k32', 'A256CBC-NOPAD', 16],
    ['k16', 'A128GCM', 12],
    ['k24', 'A192GCM', 12],
    ['k32', 'A256GCM', 12],
    ['for-gcm', 'A256GCM', 12],
    ['k16', 'A128KW', 0],
    ['k24', 'A192KW', 0],
    ['k32', 'A256KW', 0],
    ['k32', 'C20P', 12],
    ['k32', 'C20PKW', 12],
    ['k32', 'XC20P', 24],
    ['k32', 'XC20PKW', 24],
    ['rsa', 'RSA-OAEP', 0],
    ['rsa', 'RSA-OAEP-256', 0],
    ['rsa', 'RSA-OAEP-384', 0],
    ['rsa', 'RSA-OAEP-512', 0],
  ])('decrypts with %s what it encrypted by %s', async (keyName, algorithm, nonceBytes) => {
    const nonce = randomBytes(nonceBytes);
    const associatedData = Buffer.from('for this only');
    const sealed = await subtle.encrypt(call(message({ keyName, algorithm, nonce, associatedData })));
    expect(Buffer.from(sealed.data)).not.toEqual(text);
    const back = { keyName, algorithm, nonce, associatedData, data: sealed.data, ...(sealed.tag && { tag: sealed.tag }) };
    expect(Buffer.from(await subtle.decrypt(call(message(back))))).toEqual(text);
    const wrapped = await subtle.wrapKey(call(message({ keyName, algorithm, nonce, data: Buffer.alloc(32, 9) })));
    const again = { keyName, algorithm, nonce, data: wrapped.data, ...(wrapped.tag && { tag: wrapped.tag }) };
    expect(Buffer.from(await subtle.unwrapKey(call(message(again))))).toEqual(Buffer.alloc(32, 9));
  });

  it('knows the subkey of the draft', () => {
    const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
    const nonce = Buffer.from('000000090000004a0000000031415927', 'hex');
    expect(Buffer.from(hchacha20(key, nonce)).toString('hex')).toBe('82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc');
  });

  it.each(['rsa', 'odd'])('signs digests with %s as others sign messages', async (keyName) => {
    const pair = keyName === 'rsa' ? rsa : odd;
    for (const bits of [256, 384, 512]) {
      const digest = createHash(`sha${bits}`).update('message').digest();
      const rs = await subtle.sign(call({ provider: 'vault', keyName, algorithm: `RS${bits}`, digest }));
      expect(verify(`sha${bits}`, Buffer.from('message'), pair.publicKey, rs)).toBe(true);
      const ps = await subtle.sign(call({ provider: 'vault', keyName, algorithm: `PS${bits}`, digest }));
      const pss = { key: pair.publicKey, padding: constants.RSA_PKCS1_PSS_PADDING };
      expect(verify(`sha${bits}`, Buffer.from('message'), pss, ps)).toBe(true);
      for (const [algorithm, signature] of [
        [`RS${bits}`, sign(`sha${bits}`, Buffer.from('message'), pair.privateKey)],
        [`PS${bits}`, sign(`sha${bits}`, Buffer.from('message'), { ...pss, key: pair.privateKey })],
      ] as const) {
        expect(await subtle.verify(call({ provider: 'vault', keyName, algorithm, digest, signature }))).toBe(true);
        const changed = Buffer.from(signature);
        changed[40] = (changed[40] as number) ^ 1;
        expect(await subtle.verify(call({ provider: 'vault', keyName, algorithm, digest, signature: changed }))).toBe(false);
        const other = createHash(`sha${bits}`).update('another').digest();
        expect(await subtle.verify(call({ provider: 'vault', keyName, algorithm, digest: other, signature }))).toBe(false);
      }
    }
  });

  it('signs and verifies messages with an Edwards key', async () => {
    const input = { provider: 'vault', keyName: 'ed', algorithm: 'EdDSA', digest: text };
    const signature = await subtle.sign(call(input));
    expect(verify(null, text, ed.publicKey, signature)).toBe(true);
    expect(await subtle.verify(call({ ...input, signature }))).toBe(true);
    expect(await subtle.verify(call({ ...input, digest: Buffer.from('x'), signature }))).toBe(false);
  });

  it('gives out public parts as PEM and as a JWK', async () => {
    const get = (keyName: string, format: string) => subtle.getKey(call({ provider: 'vault', keyName, format }));
    expect(createPublicKey(await get('rsa', 'pem')).equals(rsa.publicKey)).toBe(true);
    expect(JSON.parse(await get('rsa-public', 'json'))).toEqual(rsa.publicKey.export({ format: 'jwk' }));
    await expect(get('k32', 'pem')).rejects.toMatchObject({ code: 'crypto.key' });
    await expect(get('none', 'pem')).rejects.toMatchObject({ code: 'crypto.key', message: expect.stringContaining('none') });
    await expect(get('rsa', '7')).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('wraps keys of every form as their bytes', async () => {
    const how = { keyName: 'k32', algorithm: 'A256GCM', nonce: Buffer.alloc(12) };
    const unwrapped = async (data: Uint8Array): Promise<Buffer> => {
      const { data: sealed, tag } = await subtle.wrapKey(call(message({ ...how, data })));
      return Buffer.from(await subtle.unwrapKey(call(message({ ...how, data: sealed, tag }))));
    };
    expect(await unwrapped(Buffer.from(JSON.stringify(ed.publicKey.export({ format: 'jwk' }))))).toEqual(
      ed.publicKey.export({ type: 'spki', format: 'der' }),
    );
    expect(await unwrapped(Buffer.from(ed.privateKey.export({ type: 'pkcs8', format: 'pem' })))).toEqual(
      ed.privateKey.export({ type: 'pkcs8', format: 'der' }),
    );
  });

  it.each([
    ['encrypt', { keyName: 'none', algorithm: 'A256GCM', nonce: Buffer.alloc(12) }],
    ['encrypt', { keyName: 'k16', algorithm: 'A256GCM', nonce: Buffer.alloc(12) }],
    ['encrypt', { keyName: 'k32', algorithm: 'A256GCM', nonce: Buffer.alloc(11) }],
    ['encrypt', { keyName: 'k32', algorithm: 'A256CBC-NOPAD', nonce: Buffer.alloc(16), data: Buffer.alloc(15) }],
    ['encrypt', { keyName: 'k32', algorithm: 'rot13' }],
    ['encrypt', { keyName: 'sign-only', algorithm: 'A256GCM', nonce: Buffer.alloc(12) }],
    ['encrypt', { keyName: 'for-gcm', algorithm: 'C20P', nonce: Buffer.alloc(12) }],
    ['encrypt', { keyName: 'rsa', algorithm: 'A256GCM', nonce: Buffer.alloc(12) }],
    ['encrypt', { keyName: 'rsa', algorithm: 'RSA1_5' }],
    ['decrypt', { keyName: 'only-encrypts', algorithm: 'A256GCM', nonce: Buffer.alloc(12), tag: Buffer.alloc(16) }],
    ['decrypt', { keyName: 'k32', algorithm: 'A256GCM', nonce: Buffer.alloc(12) }],
    ['decrypt', { keyName: 'k32', algorithm: 'A256GCM', nonce: Buffer.alloc(12), tag: Buffer.alloc(16) }],
    ['decrypt', { keyName: 'k32', algorithm: 'A256CBC', nonce: Buffer.alloc(16) }],
    ['decrypt', { keyName: 'rsa-public', algorithm: 'RSA-OAEP', data: Buffer.alloc(256, 1) }],
    ['wrapKey', { keyName: 'k32', algorithm: 'A256KW', data: none }],
    ['unwrapKey', { keyName: 'k32', algorithm: 'A256KW', data: Buffer.alloc(40) }],
    ['sign', { keyName: 'rsa', algorithm: 'RS256', digest: Buffer.alloc(31) }],
    ['sign', { keyName: 'rsa', algorithm: 'ES256', digest: Buffer.alloc(32) }],
    ['sign', { keyName: 'rsa-public', algorithm: 'RS256', digest: Buffer.alloc(32) }],
    ['sign', { keyName: 'ed', algorithm: 'RS256', digest: Buffer.alloc(32) }],
    ['verify', { keyName: 'rsa', algorithm: 'EdDSA', digest: text, signature: Buffer.alloc(64) }],
  ] as const)('does not say why it cannot %s: %j', async (verb, input) => {
    lines.length = 0;
    const run = subtle[verb] as (input: unknown) => Promise<unknown>;
    await expect(run(call(message(input)))).rejects.toMatchObject({
      code: 'crypto.failed',
      message: expect.stringMatching(/^failed to perform operation: failed to [a-z ]+$/),
    });
    expect(lines).toHaveLength(1);
  });

  it('knows its providers', async () => {
    const input = { keyName: 'k32', algorithm: 'A256GCM', nonce: Buffer.alloc(12) };
    await expect(subtle.encrypt(call(message({ ...input, provider: 'other' })))).rejects.toMatchObject({ code: 'crypto.not-found' });
    await expect(subtle.encrypt(call(message({ ...input, provider: '' })))).rejects.toMatchObject({ code: 'bad-request' });
    const without = createCryptoBlock(context, { providers: fixedComponents([]) });
    await expect(without.subtle.encrypt(call(message(input)))).rejects.toMatchObject({ code: 'crypto.not-configured' });
  });
});
