// One producer of durable writes, in a process of its own as an app is one: `<kind> <where>`. For each message from the parent it keeps `producers` writes in
// flight for some seconds and answers how many came through. Kinds: what is measured, so that no client shares its heap and its compiled code with another.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import { createRuntime } from '../src/host/in-process.ts';
import { openBareLog } from './bare-log.ts';

/** What the parent asks for, and what it is told: writes per second, and CPU microseconds of this process for each. */
export interface Shot {
  seconds: number;
  producers: number;
}
export interface ShotResult {
  rate: number;
  cpu: number;
}

type Write = (producer: number) => Promise<unknown>;

const data = { text: 'x'.repeat(1000) };
const json = JSON.stringify(data);
const bytes = new TextEncoder().encode(json);

/** By kind, a write that is acknowledged when its promise is settled; `where` is the port of a server or a directory. */
const kinds: Record<string, (where: string) => Promise<Write>> = {
  async nats(port) {
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    await (await connection.jetstreamManager()).streams.add({ name: 'bench', subjects: ['bench'], max_bytes: 1e9 });
    const jetstream = connection.jetstream();
    return () => jetstream.publish('bench', bytes);
  },
  async redis(port) {
    const redis = new Redis({ port: Number(port), host: '127.0.0.1' });
    return (producer) => redis.set(`k${producer}`, json);
  },
  /** The runtime of one app in this process, publishing to the embedded broker. */
  async object(directory) {
    const runtime = await createRuntime({ appId: 'bench', dataDirectory: directory });
    return () => runtime.publish('pubsub', 'bench', data);
  },
  /** The same message, written as JSON beforehand. */
  async json(directory) {
    const runtime = await createRuntime({ appId: 'bench', dataDirectory: directory });
    const asJson = { contentType: 'application/json' };
    return () => runtime.publish('pubsub', 'bench', bytes, asJson);
  },
  /** The least that a durable publish in process can cost: the data as JSON, appended and synced in groups, and a promise for each. */
  async floor(directory) {
    mkdirSync(directory, { recursive: true });
    const log = await openBareLog(join(directory, 'floor'), 'write');
    return () => log.put(Buffer.from(JSON.stringify(data)));
  },
};

const [kind, where] = process.argv.slice(2) as [string, string];
const write = await kinds[kind]!(where);

process.on('message', ({ seconds, producers }: Shot) => {
  void (async () => {
    const cpu = process.cpuUsage();
    const began = performance.now();
    const end = began + seconds * 1000;
    let count = 0;
    await Promise.all(
      Array.from({ length: producers }, async (_, producer) => {
        for (; performance.now() < end; count++) await write(producer);
      }),
    );
    const { user, system } = process.cpuUsage(cpu);
    const result: ShotResult = { rate: count / ((performance.now() - began) / 1000), cpu: (user + system) / count };
    process.send!(result);
  })();
});
process.send!('ready');
