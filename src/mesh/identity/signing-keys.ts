import type { KeyObject } from 'node:crypto';
import { nodeCrypto, sha256 } from '../../kernel/node-crypto.ts';

/** Bytes of each of the two numbers of an ECDSA signature, by curve. */
const componentBytes: Readonly<Record<string, number>> = { prime256v1: 32, secp384r1: 48, secp521r1: 66 };

/**
 * Signs the SHA-256 of a message by whatever key a certificate has: Ed25519 signs the digest itself, ECDSA and RSA (PKCS #1 v1.5) sign it as the digest that it is.
 * ECDSA signatures are DER, as Dapr's runtimes make and take them. Fails for other types of keys.
 */
export function signDigestOf(message: Uint8Array, key: KeyObject): Buffer {
  const { sign } = nodeCrypto();
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return sign(null, sha256(message), key);
    case 'ec':
    case 'rsa':
      return sign('sha256', message, key);
    default:
      throw new TypeError(`a key of type ${key.asymmetricKeyType ?? 'unknown'} cannot sign`);
  }
}

/** Whether the key signed the SHA-256 of the message. Of ECDSA both forms are taken: DER, and both numbers at full length (IEEE P1363), which Dapr's protocol describes. */
export function verifyDigestOf(message: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  const { verify } = nodeCrypto();
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return verify(null, sha256(message), key, signature);
    case 'rsa':
      return verify('sha256', message, key, signature);
    case 'ec': {
      const bytes = componentBytes[key.asymmetricKeyDetails?.namedCurve ?? ''];
      if (bytes === undefined) return false;
      if (verify('sha256', message, key, signature)) return true;
      return signature.length === 2 * bytes && verify('sha256', message, { key, dsaEncoding: 'ieee-p1363' }, signature);
    }
    default:
      return false;
  }
}
