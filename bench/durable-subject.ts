import { createRuntime } from '../src/host/in-process.ts';

/** The runtime of one app in this process, publishing to the embedded broker. */
export async function startPublisher(dataDirectory: string) {
  const runtime = await createRuntime({ appId: 'bench', dataDirectory });
  return {
    publish: (data: unknown) => runtime.publish('pubsub', 'bench', data),
    close: () => runtime.close(),
  };
}
