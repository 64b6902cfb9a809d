import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  SubtleDecryptRequestSchema,
  SubtleDecryptResponseSchema,
  SubtleEncryptRequestSchema,
  SubtleEncryptResponseSchema,
  SubtleGetKeyRequestSchema,
  SubtleGetKeyResponseSchema,
  SubtleSignRequestSchema,
  SubtleSignResponseSchema,
  SubtleUnwrapKeyRequestSchema,
  SubtleUnwrapKeyResponseSchema,
  SubtleVerifyRequestSchema,
  SubtleVerifyResponseSchema,
  SubtleWrapKeyRequestSchema,
  SubtleWrapKeyResponseSchema,
} from '../../src/gen/dapr/proto/runtime/v1/crypto_pb.ts';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// Single operations with keys over both APIs of the real process: what one of them made, the other one reads.
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const componentName = 'keys';
let machine: TestMachine;
let sidecar: TestSidecar;
let client: Client;

beforeAll(async () => {
  machine = createMachine();
  const path = join(machine.directory, 'keys');
  mkdirSync(path);
  writeFileSync(join(path, 'rsa.pem'), rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(join(path, 'aes.json'), JSON.stringify({ kty: 'oct', k: randomBytes(32).toString('base64url') }));
  const resources = { 'crypto.yaml': component(componentName, 'crypto.dapr.localstorage', { path }) };
  sidecar = await startSidecar({ appId: 'subtle', machine, resources });
  client = new Client(`127.0.0.1:${sidecar.grpcPort}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  const code = await sidecar.stop();
  machine.remove();
  expect(code).toBe(0);
});

async function http(verb: string, body: object, from = componentName): Promise<{ status: number; body: Record<string, string | boolean> }> {
  const answer = await sidecar.get(`/v1.0-alpha1/subtlecrypto/${from}/${verb}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: answer.status, body: (await answer.json()) as Record<string, string | boolean> };
}

function grpc<I extends DescMessage, O extends DescMessage>(
  name: string,
  [input, output]: readonly [I, O],
  fields: MessageInitShape<I>,
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/dapr.proto.runtime.v1.Dapr/${name}`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => fromBinary(output, bytes),
      Buffer.from(toBinary(input, create(input, fields))),
      (error: ServiceError | null, answer?: MessageShape<O>) => (error === null && answer !== undefined ? resolve(answer) : reject(error)),
    );
  });
}

const text = Buffer.from('sixteen bytes...');
const [nonce, associatedData] = [randomBytes(12), Buffer.from('for this only')];
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytes = (value: string | boolean | undefined): Buffer => Buffer.from(String(value), 'base64');
const aes = { keyName: 'aes.json', algorithm: 'A256GCM' };

describe('single operations with keys', () => {
  it('encrypt over one API what the other one decrypts', async () => {
    const over = { nonce: base64(nonce), associatedData: base64(associatedData) };
    const sealed = (await http('encrypt', { ...aes, ...over, plaintext: base64(text) })).body;
    const opened = await grpc('SubtleDecryptAlpha1', [SubtleDecryptRequestSchema, SubtleDecryptResponseSchema], {
      componentName,
      ...aes,
      nonce,
      associatedData,
      ciphertext: bytes(sealed['ciphertext']),
      tag: bytes(sealed['tag']),
    });
    expect(Buffer.from(opened.plaintext)).toEqual(text);

    const back = await grpc('SubtleEncryptAlpha1', [SubtleEncryptRequestSchema, SubtleEncryptResponseSchema], {
      componentName,
      ...aes,
      nonce,
      associatedData,
      plaintext: text,
    });
    // The names of protobuf and both alphabets of base64 are read, too.
    const snake = {
      key_name: aes.keyName,
      algorithm: aes.algorithm,
      nonce: nonce.toString('base64url'),
      associated_data: over.associatedData,
    };
    const fields = { ciphertext: base64(back.ciphertext), tag: base64(back.tag) };
    expect(await http('decrypt', { ...snake, ...fields })).toEqual({ status: 200, body: { plaintext: base64(text) } });
    expect((await http('decrypt', { ...snake, ...fields, associated_data: '' })).status).toBe(500);
  });

  it('wrap over one API the key that the other one unwraps', async () => {
    const key = randomBytes(32);
    const by = { keyName: 'aes.json', algorithm: 'A256KW' };
    const wrapped = (await http('wrapkey', { ...by, plaintextKey: base64(key) })).body;
    const fields = { componentName, ...by, wrappedKey: bytes(wrapped['wrappedKey']) };
    const unwrapped = await grpc('SubtleUnwrapKeyAlpha1', [SubtleUnwrapKeyRequestSchema, SubtleUnwrapKeyResponseSchema], fields);
    expect(Buffer.from(unwrapped.plaintextKey)).toEqual(key);
    const again = await grpc('SubtleWrapKeyAlpha1', [SubtleWrapKeyRequestSchema, SubtleWrapKeyResponseSchema], {
      componentName,
      ...by,
      plaintextKey: key,
    });
    expect((await http('unwrapkey', { ...by, wrappedKey: base64(again.wrappedKey) })).body).toEqual({ plaintextKey: base64(key) });
  });

  it('sign over one API what the other one verifies', async () => {
    const by = { keyName: 'rsa.pem', algorithm: 'PS256' };
    const digest = createHash('sha256').update(text).digest();
    const { signature } = (await http('sign', { ...by, digest: base64(digest) })).body;
    const verify = (over: object) =>
      grpc('SubtleVerifyAlpha1', [SubtleVerifyRequestSchema, SubtleVerifyResponseSchema], {
        componentName,
        ...by,
        digest,
        signature: bytes(signature),
        ...over,
      });
    expect([(await verify({})).valid, (await verify({ digest: randomBytes(32) })).valid]).toEqual([true, false]);
    const own = await grpc('SubtleSignAlpha1', [SubtleSignRequestSchema, SubtleSignResponseSchema], { componentName, ...by, digest });
    const asked = { ...by, digest: base64(digest), signature: base64(own.signature) };
    expect((await http('verify', asked)).body).toEqual({ valid: true });
    expect((await http('verify', { ...asked, digest: base64(randomBytes(32)) })).body).toEqual({});
  });

  it('tell a public key as PEM and as JWK', async () => {
    const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
    const { body } = await http('getkey', { name: 'rsa.pem' });
    expect(body).toEqual({ name: 'rsa.pem', publicKey: pem });
    const asked = { componentName, name: 'rsa.pem', format: 1 } as const;
    const { name, publicKey } = await grpc('SubtleGetKeyAlpha1', [SubtleGetKeyRequestSchema, SubtleGetKeyResponseSchema], asked);
    expect([name, JSON.parse(publicKey)]).toEqual([
      'rsa.pem',
      expect.objectContaining({ kty: 'RSA', n: rsa.publicKey.export({ format: 'jwk' }).n }),
    ]);
    for (const format of [1, 'JSON']) expect((await http('getkey', { name: 'rsa.pem', format })).body['publicKey']).toBe(publicKey);
  });

  it('refuse what is none', async () => {
    const plaintext = base64(text);
    expect(await http('encrypt', { ...aes, plaintext: 'no base64!' })).toMatchObject({ status: 400 });
    expect(await http('encrypt', { ...aes, plaintext, nonce: 'AA==' })).toMatchObject({ status: 500 });
    expect(await http('getkey', { name: 'rsa.pem', format: 'DER' })).toMatchObject({ status: 400 });
    expect(await http('getkey', { name: 'nobody' })).toMatchObject({ status: 500 });
    expect(await http('encrypt', { ...aes, plaintext }, 'nowhere')).toMatchObject({ status: 400 });
    const unknown = grpc('SubtleGetKeyAlpha1', [SubtleGetKeyRequestSchema, SubtleGetKeyResponseSchema], {
      componentName,
      name: 'x',
      format: 7 as never,
    });
    await expect(unknown).rejects.toMatchObject({ code: 3 });
  });
});
