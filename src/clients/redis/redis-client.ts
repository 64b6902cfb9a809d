import type { Cluster, Redis } from 'ioredis';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { createReadiness } from './readiness.ts';
import type { RedisProperties } from './properties.ts';
import { clusterOptions, nodeOptions, placesOf } from './redis-options.ts';

export interface RedisClientOptions {
  readonly properties: RedisProperties;
  readonly clock: Clock;
  /** The component's type, for messages. */
  readonly what: string;
}

/** What Redis answers: bulk texts are bytes, numbers are numbers, arrays nest. */
export type RedisReply = Uint8Array | number | null | readonly RedisReply[];

/** A script that the server runs atomically. It travels once and is called by its digest from then on. */
export interface RedisScript {
  readonly name: string;
  readonly lua: string;
}

export type RedisArgument = string | number | Uint8Array;

/**
 * One Redis server, the master that sentinels name, or a cluster. A command that finds no connection within `dialTimeout` fails with `unavailable`: nothing
 * happened. A write whose connection broke, or that is not answered within `readTimeout`, fails with `engine.outcome-unknown`; reads are repeated. What
 * Redis itself refuses is an Error with its words.
 */
export interface RedisClient {
  readonly kind: 'node' | 'sentinel' | 'cluster';
  /** A command that changes nothing. */
  read(command: string, ...args: readonly RedisArgument[]): Promise<RedisReply>;
  write(command: string, ...args: readonly RedisArgument[]): Promise<RedisReply>;
  /** Runs a script over `keys`; `effect` says whether it writes. */
  script(script: RedisScript, effect: 'read' | 'write', call: ScriptCall): Promise<RedisReply>;
  /** A connection of its own that hears messages of channels that match `pattern`, again after every interruption; `standing` tells when it hears. */
  listen(pattern: string, heard: { message(channel: string): void; standing(): void }): Promise<() => Promise<void>>;
  /** Replicas of the master, as it sees them; 0 for a cluster. */
  replicas(): Promise<number>;
  close(): Promise<void>;
}

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly RedisArgument[];
}

/** Connects. Fails with `driver.missing-package`, or with `component.init-failed` and what Redis said (wrong password, nobody there ...). */
export async function openRedis(options: RedisClientOptions): Promise<RedisClient> {
  const { properties, clock, what } = options;
  const { places, wrong } = placesOf(properties);
  if (wrong !== undefined) throw new ProaError('component.init-failed', `${what}: ${wrong}`);
  const ioredis = await importRedis();
  const kind = properties.redisType === 'cluster' ? 'cluster' : properties.failover ? 'sentinel' : 'node';
  const make = (): Redis | Cluster =>
    kind === 'cluster' ? new ioredis.Cluster([...places], clusterOptions(properties)) : new ioredis.Redis(nodeOptions(properties, places));
  const redis = make();
  const readiness = createReadiness(redis, clock);
  try {
    await readiness.first(() => redis.connect(), properties.dialTimeout);
  } catch (cause) {
    redis.disconnect();
    throw new ProaError('component.init-failed', `${what}: Redis at ${properties.redisHost} cannot be used: ${(cause as Error).message}`, {
      cause,
    });
  }
  const run = runner({ readiness, properties, what });
  const scripts = new Set<string>();
  return {
    kind,
    read: (command, ...args) => run('read', () => callOf(redis, command, args)),
    write: (command, ...args) => run('write', () => callOf(redis, command, args)),
    script(script, effect, { keys, args }) {
      if (!scripts.has(script.name)) redis.defineCommand(script.name, { lua: script.lua });
      scripts.add(script.name);
      return run(effect, () => scriptOf(redis, script.name, [keys.length, ...keys, ...args]));
    },
    listen: (pattern, heard) => listenOn(make() as Redis, pattern, heard),
    async replicas() {
      if (kind === 'cluster') return 0;
      const info = await run('read', () => callOf(redis, 'info', ['replication']));
      return Number(/connected_slaves:(\d+)/.exec(Buffer.from(info as Uint8Array).toString())?.[1] ?? 0);
    },
    async close() {
      readiness.close();
      redis.disconnect();
    },
  };
}

async function importRedis() {
  try {
    return await import('ioredis');
  } catch (cause) {
    throw new ProaError('driver.missing-package', 'Redis components need the package "ioredis", which is not installed', {
      cause,
      hint: 'run: npm install ioredis',
    });
  }
}

function callOf(redis: Redis | Cluster, command: string, args: readonly RedisArgument[]): Promise<RedisReply> {
  return (redis as Redis).callBuffer(command, ...args.map(argumentOf)) as Promise<RedisReply>;
}

function scriptOf(redis: Redis | Cluster, name: string, args: readonly RedisArgument[]): Promise<RedisReply> {
  const defined = redis as unknown as Record<string, (...given: readonly unknown[]) => Promise<RedisReply>>;
  return (defined[`${name}Buffer`] as (...given: readonly unknown[]) => Promise<RedisReply>).apply(redis, args.map(argumentOf));
}

function argumentOf(value: RedisArgument): string | number | Buffer {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

interface Runner {
  readonly readiness: ReturnType<typeof createReadiness>;
  readonly properties: RedisProperties;
  readonly what: string;
}

/** Refusals after which nothing happened and another try may succeed. */
const passing = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|BUSY)\b/;

function runner({ readiness, properties, what }: Runner) {
  const { dialTimeout, readTimeout, redisHost } = properties;
  const retriesMax = Math.max(0, properties.redisMaxRetries);
  return async <T>(effect: 'read' | 'write', send: () => Promise<T>): Promise<T> => {
    for (let tries = 0; ; tries++) {
      if (!readiness.ready) {
        await readiness.wait(dialTimeout).catch((cause: unknown) => {
          throw new ProaError('unavailable', `${what}: no connection to Redis at ${redisHost}: ${(cause as Error).message}`, { cause });
        });
      }
      const outcome = await readiness.within(readTimeout, send);
      if (outcome.status === 'done') return outcome.value;
      const { error } = outcome;
      if (outcome.status === 'refused') {
        if (passing.test(error.message)) throw new ProaError('unavailable', `${what}: Redis: ${error.message}`, { cause: error });
        throw new Error(`Redis: ${error.message}`, { cause: error });
      }
      if (effect === 'write' && outcome.status === 'lost') throw outcomeUnknown(`${what}: the write may or may not have happened`, error);
      if (tries >= retriesMax) throw new ProaError('unavailable', `${what}: ${error.message}`, { cause: error });
    }
  };
}

async function listenOn(
  redis: Redis,
  pattern: string,
  { message, standing }: { message(channel: string): void; standing(): void },
): Promise<() => Promise<void>> {
  redis.on('error', () => {});
  redis.on('pmessage', (_pattern: string, channel: string) => message(channel));
  // ioredis subscribes again by itself when a connection is there again; what happened meanwhile was not heard.
  redis.on('ready', standing);
  try {
    await redis.connect();
    await redis.psubscribe(pattern);
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  return async () => redis.disconnect();
}
