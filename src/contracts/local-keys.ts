import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  privateDecrypt,
  publicEncrypt,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import type { CryptoProvider, WrapAlgorithm } from './crypto.ts';

/** A key that this process holds, with what its JWK says about its use. */
export interface LocalKey {
  readonly key: KeyObject;
  readonly algorithm?: string;
  readonly operations?: readonly string[];
  readonly use?: string;
}

export interface LocalKeysOptions {
  /** Undefined when there is no key of this name; errors name the key. */
  find(name: string): Promise<LocalKey | undefined>;
  close(): Promise<void>;
}

const symmetric: Readonly<
  Record<Exclude<WrapAlgorithm, 'RSA-OAEP-256'>, { readonly cipher: string; readonly keyBytes: number; readonly iv: Uint8Array }>
> = {
  // RFC 3394, section 2.2.3.1.
  A256KW: { cipher: 'id-aes256-wrap', keyBytes: 32, iv: Buffer.alloc(8, 0xa6) },
  // The format has no place for an IV. A zero one is sound here, as what is wrapped is a fresh random key and the header's MAC vouches for it.
  'A128CBC-NOPAD': { cipher: 'aes-128-cbc', keyBytes: 16, iv: Buffer.alloc(16) },
  'A192CBC-NOPAD': { cipher: 'aes-192-cbc', keyBytes: 24, iv: Buffer.alloc(16) },
  'A256CBC-NOPAD': { cipher: 'aes-256-cbc', keyBytes: 32, iv: Buffer.alloc(16) },
};

/** A crypto provider over keys in this process's memory. */
export function createLocalCryptoProvider(options: LocalKeysOptions): CryptoProvider {
  const allowed = async (name: string, operation: string): Promise<LocalKey> => {
    const found = await options.find(name);
    if (found === undefined) throw new Error(`key '${name}' not found`);
    const wrongUse = found.use === (operation === 'sign' || operation === 'verify' ? 'enc' : 'sig');
    if (wrongUse || (found.operations !== undefined && !found.operations.includes(operation))) {
      throw new Error(`key '${name}' cannot perform the '${operation}' operation`);
    }
    return found;
  };
  const keyFor = async (name: string, algorithm: WrapAlgorithm, operation: 'wrapKey' | 'unwrapKey'): Promise<KeyObject> => {
    const found = await allowed(name, operation);
    if (!fits(found, algorithm)) throw new Error(`key '${name}' cannot be used with algorithm '${algorithm}'`);
    return found.key;
  };
  return {
    algorithms: [...Object.keys(symmetric), 'RSA-OAEP-256'],
    async publicKey(name) {
      const found = await options.find(name);
      if (found === undefined || found.key.type === 'secret') return undefined;
      return publicPart(found.key).export({ format: 'jwk' });
    },
    async wrapKey(name, algorithm, plain) {
      const key = await keyFor(name, algorithm, 'wrapKey');
      if (algorithm === 'RSA-OAEP-256') return { wrappedKey: publicEncrypt({ key: publicPart(key), ...oaep }, plain) };
      const { cipher, iv } = symmetric[algorithm];
      const wrapping = createCipheriv(cipher, key, iv).setAutoPadding(false);
      return { wrappedKey: Buffer.concat([wrapping.update(plain), wrapping.final()]) };
    },
    async unwrapKey(name, algorithm, wrapped) {
      const key = await keyFor(name, algorithm, 'unwrapKey');
      if (algorithm === 'RSA-OAEP-256') {
        if (key.type !== 'private') throw new Error(`key '${name}' cannot perform the 'unwrapKey' operation: it is a public key`);
        return privateDecrypt({ key, ...oaep }, wrapped);
      }
      const { cipher, iv } = symmetric[algorithm];
      const unwrapping = createDecipheriv(cipher, key, iv).setAutoPadding(false);
      return Buffer.concat([unwrapping.update(wrapped), unwrapping.final()]);
    },
    async subtle() {
      const { createLocalSubtleKeys } = await import('./local-subtle.ts');
      return createLocalSubtleKeys(async (name, algorithm, operation) => {
        const found = await allowed(name, operation);
        if (found.algorithm !== undefined && found.algorithm !== algorithm)
          throw new Error(`key '${name}' cannot be used with algorithm '${algorithm}'`);
        return found.key;
      });
    },
    close: () => options.close(),
  };
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

function publicPart(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}

function fits({ key, algorithm: declared }: LocalKey, algorithm: WrapAlgorithm): boolean {
  if (declared !== undefined && declared !== algorithm) return false;
  if (algorithm === 'RSA-OAEP-256') return key.asymmetricKeyType === 'rsa';
  return key.type === 'secret' && key.symmetricKeySize === symmetric[algorithm].keyBytes;
}

/** Makes a key of a JWK (RFC 7517). Fails with an Error that does not quote the key. */
export function keyOfJwk(jwk: unknown): LocalKey {
  if (typeof jwk !== 'object' || jwk === null) throw new Error('a JWK must be an object');
  const { kty, k, d, alg, key_ops: operations, use } = jwk as Record<string, unknown>;
  let key: KeyObject;
  if (kty === 'oct') {
    if (typeof k !== 'string' || !/^[A-Za-z0-9_-]+$/.test(k)) throw new Error('a symmetric JWK needs its key "k" in base64url');
    key = createSecretKey(Buffer.from(k, 'base64url'));
  } else {
    try {
      const input = { key: jwk as JsonWebKey, format: 'jwk' as const };
      key = d === undefined ? createPublicKey(input) : createPrivateKey(input);
    } catch (cause) {
      throw new Error(`the JWK is not a valid key of type ${JSON.stringify(kty)}`, { cause });
    }
  }
  return {
    key,
    ...(typeof alg === 'string' && { algorithm: alg }),
    ...(Array.isArray(operations) && { operations: operations.map(String) }),
    ...(typeof use === 'string' && { use }),
  };
}
