import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  sign,
  verify,
  type CipherGCMTypes,
  type KeyObject,
} from 'node:crypto';
import type { Sealed, SubtleKeys, SubtleMessage } from './crypto.ts';
import { signPkcs1, signPss, verifyPkcs1, verifyPss, type DigestName } from './rsa-digests.ts';
import { hchacha20 } from './xchacha.ts';

/** Finds a key that may be used for an operation; fails with an Error that names the key. */
export type FindKey = (name: string, algorithm: string, operation: string) => Promise<KeyObject>;

/**
 * The algorithms of Dapr's local providers over keys in memory: AES-CBC, AES-GCM, AES-KW, ChaCha20-Poly1305 and its long-nonce form, RSA encryption,
 * RSA and Ed25519 signatures. Not among them: ECDSA over a digest (Node offers it over messages only), and RSA1_5, which cannot be used safely and
 * which Node refuses to decrypt.
 */
export function createLocalSubtleKeys(find: FindKey): SubtleKeys {
  return {
    async encrypt(name, algorithm, message, operation = 'encrypt') {
      const key = await find(name, algorithm, operation);
      return algorithm.startsWith('RSA') ? rsaSealed(key, algorithm, message) : cipherOf(algorithm).seal(secretOf(key), message);
    },
    async decrypt(name, algorithm, message, operation = 'decrypt') {
      const key = await find(name, algorithm, operation);
      if (!algorithm.startsWith('RSA')) return cipherOf(algorithm).open(secretOf(key), message);
      if (key.type !== 'private') throw new Error('a public key cannot decrypt');
      return privateDecrypt({ key, ...rsaPadding(algorithm, message.associatedData) }, message.data);
    },
    async sign(name, algorithm, { digest, salt }) {
      const key = await find(name, algorithm, 'sign');
      if (key.type !== 'private') throw new Error('only a private key can sign');
      if (algorithm === 'EdDSA') return sign(null, digest, edwards(key));
      const { scheme, hash } = rsaSignature(key, algorithm);
      return scheme === 'RS' ? signPkcs1(key, hash, digest) : signPss(key, hash, { digest, salt });
    },
    async verify(name, algorithm, { digest, signature }) {
      const found = await find(name, algorithm, 'verify');
      const key = found.type === 'private' ? createPublicKey(found) : found;
      if (algorithm === 'EdDSA') return verify(null, digest, edwards(key), signature);
      const { scheme, hash } = rsaSignature(key, algorithm);
      return scheme === 'RS' ? verifyPkcs1(key, hash, { digest, signature }) : verifyPss(key, hash, { digest, signature });
    },
  };
}

interface SymmetricCipher {
  seal(key: Uint8Array, message: SubtleMessage): Sealed;
  open(key: Uint8Array, message: SubtleMessage): Uint8Array;
}

function cipherOf(algorithm: string): SymmetricCipher {
  const aes = /^A(128|192|256)(CBC-NOPAD|CBC|GCM|KW)$/.exec(algorithm);
  if (aes !== null) {
    const bits = Number(aes[1]);
    if (aes[2] === 'GCM') return aead(`aes-${bits}-gcm` as CipherGCMTypes, bits / 8, 12);
    return block(aes[2] === 'KW' ? `id-aes${bits}-wrap` : `aes-${bits}-cbc`, bits / 8, aes[2] as 'CBC' | 'CBC-NOPAD' | 'KW');
  }
  if (algorithm === 'C20P' || algorithm === 'C20PKW') return aead('chacha20-poly1305', 32, 12);
  if (algorithm === 'XC20P' || algorithm === 'XC20PKW') return extended();
  throw unsupported(algorithm);
}

// RFC 3394, section 2.2.3.1.
const wrapIv = Buffer.alloc(8, 0xa6);

function block(cipher: string, keyBytes: number, mode: 'CBC' | 'CBC-NOPAD' | 'KW'): SymmetricCipher {
  const ivOf = (nonce: Uint8Array): Uint8Array => (mode === 'KW' ? wrapIv : ofLength(nonce, 16, 'nonce'));
  return {
    seal(key, { data, nonce }) {
      const made = createCipheriv(cipher, ofLength(key, keyBytes, 'key'), ivOf(nonce)).setAutoPadding(mode === 'CBC');
      return { data: Buffer.concat([made.update(data), made.final()]) };
    },
    open(key, { data, nonce }) {
      const made = createDecipheriv(cipher, ofLength(key, keyBytes, 'key'), ivOf(nonce)).setAutoPadding(mode === 'CBC');
      return Buffer.concat([made.update(data), made.final()]);
    },
  };
}

const tagBytes = 16;

function aead(cipher: CipherGCMTypes | 'chacha20-poly1305', keyBytes: number, nonceBytes: number): SymmetricCipher {
  const options = { authTagLength: tagBytes };
  return {
    seal(key, { data, nonce, associatedData }) {
      const made = createCipheriv(cipher as CipherGCMTypes, ofLength(key, keyBytes, 'key'), ofLength(nonce, nonceBytes, 'nonce'), options);
      made.setAAD(associatedData, { plaintextLength: data.length });
      const sealed = Buffer.concat([made.update(data), made.final()]);
      return { data: sealed, tag: made.getAuthTag() };
    },
    open(key, { data, nonce, associatedData, tag }) {
      const made = createDecipheriv(
        cipher as CipherGCMTypes,
        ofLength(key, keyBytes, 'key'),
        ofLength(nonce, nonceBytes, 'nonce'),
        options,
      );
      made.setAAD(associatedData, { plaintextLength: data.length }).setAuthTag(ofLength(tag ?? new Uint8Array(0), tagBytes, 'tag'));
      return Buffer.concat([made.update(data), made.final()]);
    },
  };
}

function extended(): SymmetricCipher {
  const inner = aead('chacha20-poly1305', 32, 12);
  const short = (key: Uint8Array, message: SubtleMessage): readonly [Uint8Array, SubtleMessage] => {
    const nonce = ofLength(message.nonce, 24, 'nonce');
    const subkey = hchacha20(ofLength(key, 32, 'key'), nonce.subarray(0, 16));
    return [subkey, { ...message, nonce: Buffer.concat([Buffer.alloc(4), nonce.subarray(16)]) }];
  };
  return { seal: (key, message) => inner.seal(...short(key, message)), open: (key, message) => inner.open(...short(key, message)) };
}

function rsaSealed(key: KeyObject, algorithm: string, { data, associatedData }: SubtleMessage): Sealed {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return { data: publicEncrypt({ key: publicKey, ...rsaPadding(algorithm, associatedData) }, data) };
}

function rsaPadding(algorithm: string, label: Uint8Array) {
  const hash = /^RSA-OAEP(?:-(256|384|512))?$/.exec(algorithm);
  if (hash === null) throw unsupported(algorithm);
  return {
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: hash[1] === undefined ? 'sha1' : `sha${hash[1]}`,
    ...(label.length > 0 && { oaepLabel: label }),
  };
}

function rsaSignature(key: KeyObject, algorithm: string): { readonly scheme: 'RS' | 'PS'; readonly hash: DigestName } {
  const known = /^(RS|PS)(256|384|512)$/.exec(algorithm);
  if (known === null) throw unsupported(algorithm);
  if (key.asymmetricKeyType !== 'rsa') throw new Error(`the key cannot be used with algorithm '${algorithm}'`);
  return { scheme: known[1] as 'RS' | 'PS', hash: `sha${known[2]}` as DigestName };
}

function edwards(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType !== 'ed25519') throw new Error("the key cannot be used with algorithm 'EdDSA'");
  return key;
}

function secretOf(key: KeyObject): Uint8Array {
  if (key.type !== 'secret') throw new Error('the algorithm needs a symmetric key');
  return key.export();
}

function ofLength(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length !== length) throw new Error(`the ${what} must have ${length} bytes`);
  return bytes;
}

function unsupported(algorithm: string): Error {
  return new Error(`algorithm '${algorithm}' is not supported`);
}
