import { Redis } from 'ioredis';
import { freePorts, startProgram, type ServerProcess } from './server-process.ts';

/** A Redis server of one test file; nothing survives its end. */
export function startRedis(command: string, more: readonly string[] = []): Promise<ServerProcess> {
  return startProgram({
    command,
    args: ({ directory, port }) => ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...more],
    ready: async (port) => /PONG|NOAUTH/.test(await ask(port, 'ping').catch((error: Error) => error.message)),
  });
}

/** Three masters that share the slots. */
export async function startRedisCluster(command: string): Promise<{ readonly hosts: string; destroy(): Promise<void> }> {
  const nodes: ServerProcess[] = [];
  const destroy = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.destroy())));
  try {
    for (let index = 0; index < 3; index++) {
      // The bus listens 10,000 above the port, or where it is told to.
      const [bus] = await freePorts(1);
      nodes.push(
        await startRedis(command, ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-config-file', 'nodes.conf']),
      );
    }
    const bounds = [0, 5_461, 10_923, 16_384];
    for (const [index, node] of nodes.entries()) {
      await ask(node.port, 'cluster', 'addslotsrange', bounds[index] as number, (bounds[index + 1] as number) - 1);
      await ask(node.port, 'config', 'set', 'cluster-require-full-coverage', 'yes');
    }
    for (const node of nodes.slice(1)) {
      const myself = (await ask(node.port, 'cluster', 'nodes')).split(/[\s@]+/);
      const bus = /@(\d+)/.exec(await ask(node.port, 'cluster', 'nodes'))?.[1];
      if (myself.length === 0 || bus === undefined) throw new Error('a node does not know itself');
      await ask(nodes[0]?.port as number, 'cluster', 'meet', '127.0.0.1', node.port, Number(bus));
    }
    for (const node of nodes) await until(async () => (await ask(node.port, 'cluster', 'info')).includes('cluster_state:ok'));
    return { hosts: nodes.map(({ port }) => `127.0.0.1:${port}`).join(','), destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}

export interface RedisSentinels {
  /** The address of the sentinel. */
  readonly host: string;
  readonly masterName: string;
  readonly master: ServerProcess;
  readonly replica: ServerProcess;
  destroy(): Promise<void>;
}

/** A master, a replica and a sentinel that makes the replica the master within about two seconds of its loss. */
export async function startRedisSentinel(command: string): Promise<RedisSentinels> {
  const masterName = 'main';
  const master = await startRedis(command);
  const replica = await startRedis(command, ['--replicaof', '127.0.0.1', String(master.port)]);
  await until(async () => (await ask(replica.port, 'info', 'replication')).includes('master_link_status:up'));
  const sentinel = await startProgram({
    command,
    files: ({ port }) => ({
      'sentinel.conf': [
        `port ${port}`,
        'bind 127.0.0.1',
        `sentinel monitor ${masterName} 127.0.0.1 ${master.port} 1`,
        `sentinel down-after-milliseconds ${masterName} 500`,
        `sentinel failover-timeout ${masterName} 4000`,
      ].join('\n'),
    }),
    args: ({ directory }) => [`${directory}/sentinel.conf`, '--sentinel'],
    ready: async (port) => (await ask(port, 'ping')) === 'PONG',
  });
  await until(async () => (await ask(sentinel.port, 'sentinel', 'replicas', masterName)).includes(String(replica.port)));
  return {
    host: `127.0.0.1:${sentinel.port}`,
    masterName,
    master,
    replica,
    async destroy() {
      for (const server of [sentinel, replica, master]) await server.destroy();
    },
  };
}

/** One command over a connection of its own; the answer as text. */
export async function askRedis(port: number, ...command: readonly (string | number)[]): Promise<string> {
  const redis = new Redis({ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false });
  redis.on('error', () => {});
  try {
    await redis.connect();
    const answer: unknown = await redis.call(command[0] as string, ...command.slice(1));
    return typeof answer === 'string' ? answer : JSON.stringify(answer);
  } finally {
    redis.disconnect();
  }
}

/** Lets the time of all keys pass, which the server itself has no means for. */
export async function ageRedis(port: number, ms: number): Promise<void> {
  for (const key of JSON.parse(await askRedis(port, 'keys', '*')) as string[]) {
    const left = Number(await askRedis(port, 'pttl', key));
    if (left > 0) await askRedis(port, 'pexpire', key, left - ms);
  }
}

const ask = askRedis;

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await condition().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('Redis did not get there within 30 s');
}
