import { ProaError } from '../../../kernel/errors.ts';
import type { Reply } from '../reply.ts';
import { route, type Route, type RouteRequest } from '../route.ts';
import { param } from './state.ts';
import type { Body } from '../../../kernel/body.ts';

/** Encryption over HTTP: options in headers, the data as the body, both streamed (Dapr reference 4.5). */
export const cryptoRoutes: readonly Route[] = [
  route({
    methods: ['PUT'],
    path: '/v1.0-alpha1/crypto/{name}/encrypt',
    name: 'Encrypt',
    group: 'crypto',
    operation: { block: 'crypto', name: 'encrypt', idempotent: false },
    decode: (request) => ({ provider: param(request, 'name'), data: request.body, options: encryptOptions(request) }),
    service: (blocks) => blocks.crypto.encrypt,
    encode: stream,
  }),
  route({
    methods: ['PUT'],
    path: '/v1.0-alpha1/crypto/{name}/decrypt',
    name: 'Decrypt',
    group: 'crypto',
    operation: { block: 'crypto', name: 'decrypt', idempotent: false },
    decode(request) {
      const keyName = request.header('dapr-key-name');
      return { provider: param(request, 'name'), data: request.body, ...(keyName === undefined || keyName === '' ? {} : { keyName }) };
    },
    service: (blocks) => blocks.crypto.decrypt,
    encode: stream,
  }),
];

function encryptOptions(request: RouteRequest) {
  const cipher = request.header('dapr-data-encryption-cipher');
  const decryptionKeyName = request.header('dapr-decryption-key-name');
  return {
    keyName: required(request, 'dapr-key-name'),
    keyWrapAlgorithm: required(request, 'dapr-key-wrap-algorithm'),
    omitDecryptionKeyName: /^(true|yes|on|1|y|t)$/i.test(request.header('dapr-omit-decryption-key-name') ?? ''),
    ...(cipher === undefined ? {} : { dataEncryptionCipher: cipher }),
    ...(decryptionKeyName === undefined ? {} : { decryptionKeyName }),
  };
}

function required(request: RouteRequest, header: string): string {
  const value = request.header(header);
  if (value === undefined || value === '') throw new ProaError('bad-request', `invalid request: missing header '${header}'`);
  return value;
}

function stream(body: Body): Reply {
  return { status: 200, headers: ['content-type', 'application/octet-stream'], stream: body };
}
