import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { ClientCallOptions } from './client-call.ts';
import { codecOf, type GrpcClient } from './client.ts';

const codec = codecOf(ServerReflection.method.serverReflectionInfo);
// Most component SDKs serve only the older name; the messages are the same.
const versions = [{ ...codec, path: codec.path.replace('.v1.', '.v1alpha.') }, codec];

/** The services that a server lists by reflection, v1alpha first. Fails with `unimplemented` when it has no reflection. */
export async function listServices(client: GrpcClient, options: ClientCallOptions = {}): Promise<string[]> {
  for (const version of versions) {
    try {
      return await ask(client, version, options);
    } catch (error) {
      if (!isProaError(error) || error.code !== 'unimplemented') throw error;
    }
  }
  throw new ProaError('unimplemented', 'the server has no reflection service');
}

async function ask(client: GrpcClient, version: typeof codec, options: ClientCallOptions): Promise<string[]> {
  const stream = await client.stream(version, options);
  try {
    await stream.write({ messageRequest: { case: 'listServices', value: '' } });
    stream.end();
    for await (const { messageResponse } of stream) {
      if (messageResponse.case === 'listServicesResponse') return messageResponse.value.service.map((service) => service.name);
      if (messageResponse.case === 'errorResponse')
        throw new ProaError('unknown', `reflection failed: ${messageResponse.value.errorMessage}`);
    }
  } finally {
    stream.cancel('answered');
  }
  throw new ProaError('unknown', 'reflection ended without an answer');
}
