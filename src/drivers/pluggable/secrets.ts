import type { DriverContext } from '../../contracts/driver.ts';
import type { Secret, SecretCapability, SecretStore } from '../../contracts/secrets.ts';
import { SecretStore as service } from '../../gen/dapr/proto/components/v1/secretstore_pb.ts';
import { ProaError } from '../../kernel/errors.ts';
import { codecOf } from '../../wire/grpc/client.ts';
import { openLink, openOver } from './component-link.ts';

const init = codecOf(service.method.init);
const features = codecOf(service.method.features);
const get = codecOf(service.method.get);
const bulkGet = codecOf(service.method.bulkGet);
const ping = codecOf(service.method.ping);

const known: readonly SecretCapability[] = ['MULTIPLE_KEY_VALUES_PER_SECRET'];

/** Opens a secret store that a pluggable component serves. An empty answer and NOT_FOUND both mean that there is no such secret. */
export async function openSecrets(
  socket: string,
  properties: Readonly<Record<string, string>>,
  context: DriverContext,
): Promise<SecretStore> {
  const link = openLink(socket, context);
  return openOver(link, async () => {
    await link.call(init, { metadata: { properties } });
    const declared = new Set((await link.call(features, {})).features);
    return {
      capabilities: known.filter((capability) => declared.has(capability)),
      async get(name, metadata): Promise<Secret | undefined> {
        try {
          const { data } = await link.call(get, { key: name, metadata: { ...metadata } });
          return Object.keys(data).length === 0 ? undefined : data;
        } catch (error) {
          if (ProaError.from(error).code === 'not-found') return undefined;
          throw error;
        }
      },
      async bulkGet(metadata): Promise<Readonly<Record<string, Secret>>> {
        const { data } = await link.call(bulkGet, { metadata: { ...metadata } });
        return Object.fromEntries(Object.entries(data).map(([name, { secrets }]) => [name, secrets]));
      },
      async ping() {
        await link.call(ping, {});
      },
      close: () => link.close(),
    };
  });
}
