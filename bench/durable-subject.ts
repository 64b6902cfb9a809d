import { join } from 'node:path';
import { createRuntime } from '../src/host/in-process.ts';
import { openBareLog } from './bare-log.ts';

const asJson = { contentType: 'application/json' };

/** The runtime of one app in this process, publishing to the embedded broker. */
export async function startPublisher(dataDirectory: string) {
  const runtime = await createRuntime({ appId: 'bench', dataDirectory });
  return {
    publish: (data: unknown) => runtime.publish('pubsub', 'bench', data),
    /** The same message, written as JSON beforehand. */
    publishBytes: (json: Uint8Array) => runtime.publish('pubsub', 'bench', json, asJson),
    close: () => runtime.close(),
  };
}

/** The least that a durable publish in process can cost: the data as JSON, appended and synced in groups, and a promise for each. */
export async function startFloor(directory: string) {
  const log = await openBareLog(join(directory, 'floor'), 'write');
  return {
    publish: (data: unknown) => log.put(Buffer.from(JSON.stringify(data))),
    close: () => log.close(),
  };
}
