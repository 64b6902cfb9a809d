import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { CryptoProvider, WrapAlgorithm } from '../contracts/crypto.ts';

/** A key that the suite wants the provider to hold, as a JWK. */
export interface SuiteKey {
  readonly name: string;
  readonly jwk: Readonly<Record<string, unknown>>;
}

export interface CryptoSuiteOptions {
  readonly name: string;
  readonly open: (keys: readonly SuiteKey[]) => Promise<CryptoProvider>;
}

const oct = (bytes: number) => ({ kty: 'oct', k: randomBytes(bytes).toString('base64url') });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaPrivate = rsa.privateKey.export({ format: 'jwk' }) as Record<string, unknown>;
const rsaPublic = rsa.publicKey.export({ format: 'jwk' }) as Record<string, unknown>;

const keys: readonly SuiteKey[] = [
  { name: 'aes128', jwk: oct(16) },
  { name: 'aes192', jwk: oct(24) },
  { name: 'aes256', jwk: oct(32) },
  { name: 'rsa', jwk: rsaPrivate },
  { name: 'rsa-public', jwk: rsaPublic },
  { name: 'sign-only', jwk: { ...oct(32), use: 'sig' } },
  { name: 'wrap-only', jwk: { ...oct(32), key_ops: ['wrapKey'] } },
  { name: 'for-kw', jwk: { ...oct(32), alg: 'A256KW' } },
];

/** The contract of crypto providers that can be given keys. */
export function cryptoSuite(options: CryptoSuiteOptions): void {
  describe(`crypto provider: ${options.name}`, () => {
    const opened: CryptoProvider[] = [];
    const open = async (): Promise<CryptoProvider> => {
      const provider = await options.open(keys);
      opened.push(provider);
      return provider;
    };
    afterEach(async () => {
      for (const provider of opened.splice(0)) await provider.close();
    });
    const fileKey = randomBytes(32);

    const fitting: [string, WrapAlgorithm, number][] = [
      ['aes256', 'A256KW', 40],
      ['for-kw', 'A256KW', 40],
      ['aes128', 'A128CBC-NOPAD', 32],
      ['aes192', 'A192CBC-NOPAD', 32],
      ['aes256', 'A256CBC-NOPAD', 32],
      ['rsa', 'RSA-OAEP-256', 256],
    ];
    it.each(fitting)('unwraps with %s what it wrapped by %s', async (name, algorithm, length) => {
      const provider = await open();
      expect(provider.algorithms).toContain(algorithm);
      const { wrappedKey } = await provider.wrapKey(name, algorithm, fileKey);
      expect(wrappedKey).toHaveLength(length);
      expect(Buffer.from(await provider.unwrapKey(name, algorithm, wrappedKey))).toEqual(fileKey);
    });

    it('wraps with a public key what only the private one unwraps', async () => {
      const provider = await open();
      const { wrappedKey } = await provider.wrapKey('rsa-public', 'RSA-OAEP-256', fileKey);
      expect(Buffer.from(await provider.unwrapKey('rsa', 'RSA-OAEP-256', wrappedKey))).toEqual(fileKey);
      await expect(provider.unwrapKey('rsa-public', 'RSA-OAEP-256', wrappedKey)).rejects.toThrow(
        "key 'rsa-public' cannot perform the 'unwrapKey'",
      );
    });

    const wrong: [string, WrapAlgorithm, RegExp][] = [
      ['none', 'A256KW', /'none'/],
      ['', 'A256KW', /key/],
      ['aes128', 'A256KW', /'aes128' cannot be used with algorithm 'A256KW'/],
      ['aes256', 'RSA-OAEP-256', /'aes256' cannot be used with algorithm 'RSA-OAEP-256'/],
      ['rsa', 'A256KW', /'rsa' cannot be used/],
      ['for-kw', 'A256CBC-NOPAD', /'for-kw' cannot be used/],
      ['sign-only', 'A256KW', /'sign-only' cannot perform the 'wrapKey' operation/],
    ];
    it.each(wrong)('refuses to wrap with "%s" by %s', async (name, algorithm, message) => {
      await expect((await open()).wrapKey(name, algorithm, fileKey)).rejects.toThrow(message);
    });

    it('refuses what a key may not do, and wrapped keys that were changed', async () => {
      const provider = await open();
      const { wrappedKey } = await provider.wrapKey('wrap-only', 'A256KW', fileKey);
      await expect(provider.unwrapKey('wrap-only', 'A256KW', wrappedKey)).rejects.toThrow("cannot perform the 'unwrapKey' operation");
      const { wrappedKey: changed } = await provider.wrapKey('aes256', 'A256KW', fileKey);
      changed[3] = (changed[3] as number) ^ 1;
      await expect(provider.unwrapKey('aes256', 'A256KW', changed)).rejects.toThrow(Error);
    });

    it('gives out public parts only', async () => {
      const provider = await open();
      expect(await provider.publicKey('rsa')).toEqual(rsaPublic);
      expect(await provider.publicKey('rsa-public')).toEqual(rsaPublic);
      expect(await provider.publicKey('aes256')).toBeUndefined();
      expect(await provider.publicKey('none')).toBeUndefined();
    });
  });
}
