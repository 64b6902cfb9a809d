import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { Handlers } from '../../../wire/grpc/method.ts';
import { unaryRows, type GrpcFrontContext } from '../row.ts';

const { method } = Dapr;
const formats = ['pem', 'json'];

/** Single operations with keys over gRPC (Dapr reference 7.1). */
export function subtleCryptoRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  const operation = (name: string) => ({ block: 'crypto', name, idempotent: true });
  const withKey = ({ componentName, keyName, algorithm }: { componentName: string; keyName: string; algorithm: string }) => ({
    provider: componentName,
    keyName,
    algorithm,
  });
  return {
    subtleGetKeyAlpha1: row(method.subtleGetKeyAlpha1, {
      operation: operation('get_key'),
      decode: ({ componentName, name, format }) => ({ provider: componentName, keyName: name, format: formats[format] ?? '' }),
      service: (blocks) => blocks.crypto.subtle.getKey,
      encode: (publicKey, _call, { name }) => ({ name, publicKey }),
    }),
    subtleEncryptAlpha1: row(method.subtleEncryptAlpha1, {
      operation: operation('subtle_encrypt'),
      decode: ({ plaintext, nonce, associatedData, ...rest }) => ({ ...withKey(rest), data: plaintext, nonce, associatedData }),
      service: (blocks) => blocks.crypto.subtle.encrypt,
      encode: ({ data, tag }) => ({ ciphertext: data, tag: tag ?? new Uint8Array(0) }),
    }),
    subtleDecryptAlpha1: row(method.subtleDecryptAlpha1, {
      operation: operation('subtle_decrypt'),
      decode: ({ ciphertext, nonce, associatedData, tag, ...rest }) => ({ ...withKey(rest), data: ciphertext, nonce, associatedData, tag }),
      service: (blocks) => blocks.crypto.subtle.decrypt,
      encode: (plaintext) => ({ plaintext }),
    }),
    subtleWrapKeyAlpha1: row(method.subtleWrapKeyAlpha1, {
      operation: operation('wrap_key'),
      decode: ({ plaintextKey, nonce, associatedData, ...rest }) => ({ ...withKey(rest), data: plaintextKey, nonce, associatedData }),
      service: (blocks) => blocks.crypto.subtle.wrapKey,
      encode: ({ data, tag }) => ({ wrappedKey: data, tag: tag ?? new Uint8Array(0) }),
    }),
    subtleUnwrapKeyAlpha1: row(method.subtleUnwrapKeyAlpha1, {
      operation: operation('unwrap_key'),
      decode: ({ wrappedKey, nonce, associatedData, tag, ...rest }) => ({ ...withKey(rest), data: wrappedKey, nonce, associatedData, tag }),
      service: (blocks) => blocks.crypto.subtle.unwrapKey,
      encode: (plaintextKey) => ({ plaintextKey }),
    }),
    subtleSignAlpha1: row(method.subtleSignAlpha1, {
      operation: operation('sign'),
      decode: ({ digest, ...rest }) => ({ ...withKey(rest), digest }),
      service: (blocks) => blocks.crypto.subtle.sign,
      encode: (signature) => ({ signature }),
    }),
    subtleVerifyAlpha1: row(method.subtleVerifyAlpha1, {
      operation: operation('verify'),
      decode: ({ digest, signature, ...rest }) => ({ ...withKey(rest), digest, signature }),
      service: (blocks) => blocks.crypto.subtle.verify,
      encode: (valid) => ({ valid }),
    }),
  };
}
