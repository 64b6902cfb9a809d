import type { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import type { DecryptRequestOptions, EncryptRequestOptions } from '../../../gen/dapr/proto/runtime/v1/crypto_pb.ts';
import type { StreamPayload } from '../../../gen/dapr/proto/common/v1/common_pb.ts';
import { bodyOf, chunksOf } from '../../../kernel/async-body.ts';
import type { Body } from '../../../kernel/body.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { Handlers } from '../../../wire/grpc/method.ts';
import { runService, type GrpcFrontContext } from '../row.ts';

interface Chunk<Options> {
  readonly options?: Options | undefined;
  readonly payload?: StreamPayload | undefined;
}

interface Out {
  write(message: { readonly payload: { readonly data: Uint8Array; readonly seq: bigint } }): Promise<void>;
}

/** Encryption as streams: options in the first message only, then chunks whose numbers count up from 0 (Dapr reference 4.5). */
export function cryptoRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  return {
    async encryptAlpha1(requests, call, out) {
      const { options, data } = await opened<EncryptRequestOptions>(requests);
      const input = {
        provider: options.componentName,
        data,
        options: {
          keyName: options.keyName,
          keyWrapAlgorithm: options.keyWrapAlgorithm,
          omitDecryptionKeyName: options.omitDecryptionKeyName,
          ...(options.dataEncryptionCipher === '' ? {} : { dataEncryptionCipher: options.dataEncryptionCipher }),
          ...(options.decryptionKeyName === '' ? {} : { decryptionKeyName: options.decryptionKeyName }),
        },
      };
      const operation = { block: 'crypto', name: 'encrypt', idempotent: false };
      await send(await runService(front, call, { operation, service: front.blocks.crypto.encrypt, input }), out);
    },
    async decryptAlpha1(requests, call, out) {
      const { options, data } = await opened<DecryptRequestOptions>(requests);
      const input = { provider: options.componentName, data, ...(options.keyName === '' ? {} : { keyName: options.keyName }) };
      const operation = { block: 'crypto', name: 'decrypt', idempotent: false };
      await send(await runService(front, call, { operation, service: front.blocks.crypto.decrypt, input }), out);
    },
  };
}

async function opened<Options>(requests: AsyncIterable<Chunk<Options>>): Promise<{ options: Options; data: Body }> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  const options = first.done === true ? undefined : first.value.options;
  if (first.done === true || options === undefined) throw new ProaError('bad-request', 'options are required in the first message');
  return { options, data: bodyOf(payloads(first.value, incoming)) };
}

async function* payloads<Options>(first: Chunk<Options>, rest: AsyncIterator<Chunk<Options>>): AsyncGenerator<Uint8Array> {
  let expected = 0n;
  for (let chunk: Chunk<Options> | undefined = first; chunk !== undefined;) {
    if (expected > 0n && chunk.options !== undefined)
      throw new ProaError('bad-request', 'options are found in a message that is not the first');
    const { payload } = chunk as Chunk<Options>;
    if (payload !== undefined) {
      if (payload.seq !== expected) throw new ProaError('bad-request', `invalid sequence number: expected ${expected}, got ${payload.seq}`);
      expected++;
      if (payload.data.length > 0) yield payload.data;
    }
    const next: IteratorResult<Chunk<Options>> = await rest.next();
    chunk = next.done === true ? undefined : next.value;
  }
}

async function send(body: Body, out: Out): Promise<void> {
  let seq = 0n;
  for await (const data of chunksOf(body)) await out.write({ payload: { data, seq: seq++ } });
}
