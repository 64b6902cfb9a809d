import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { RedisProperties } from './properties.ts';

export interface RedisPlace {
  readonly host: string;
  readonly port: number;
}

/** The servers that `redisHost` names, or what is wrong with the properties that belong together. */
export function placesOf(properties: RedisProperties): { readonly places: readonly RedisPlace[]; readonly wrong?: string } {
  const { redisHost, redisPort, redisType, failover, sentinelMasterName, clientCert, clientKey, redisDB } = properties;
  const texts = redisHost.split(',').map((text) => text.trim());
  const places = texts.map((text) => placeOf(text, redisPort));
  const bad = texts.find((_, index) => places[index] === undefined);
  const wrong = (message: string) => ({ places: [], wrong: message });
  if (bad !== undefined) return wrong(`\`redisHost\` names "${bad}", which is not host:port`);
  if (redisType === 'cluster' && failover) return wrong('`redisType` cluster and `failover` exclude each other');
  if (redisType === 'cluster' && redisDB !== 0) return wrong('a cluster has only `redisDB` 0');
  if (failover && !sentinelMasterName) return wrong('`failover` needs `sentinelMasterName`');
  if (!failover && redisType === 'node' && texts.length > 1)
    return wrong('`redisHost` names several servers: set `redisType` or `failover`');
  if ((clientCert === undefined) !== (clientKey === undefined)) return wrong('`clientCert` and `clientKey` need each other');
  return { places: places as RedisPlace[] };
}

function placeOf(text: string, port: number): RedisPlace | undefined {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+))(?::(\d{1,5}))?$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  const given = parts?.[3] === undefined ? port : Number(parts[3]);
  return host === undefined || given < 1 || given > 65_535 ? undefined : { host, port: given };
}

/** For one server, or the master that sentinels name. Nothing is queued or repeated inside the client: the caller would not know what became of it. */
export function nodeOptions(properties: RedisProperties, places: readonly RedisPlace[]): RedisOptions {
  const { failover, sentinelMasterName, sentinelUsername, sentinelPassword } = properties;
  const tls = tlsOf(properties);
  const shared: RedisOptions = {
    ...connectionOptions(properties),
    ...credentials(properties),
    db: properties.redisDB,
    enableOfflineQueue: false,
    retryStrategy: (times) => pauseOf(properties, times),
    ...(tls !== undefined && { tls }),
  };
  if (!failover) return { ...shared, ...places[0] };
  return {
    ...shared,
    sentinels: [...places],
    name: sentinelMasterName as string,
    sentinelRetryStrategy: (times) => pauseOf(properties, times),
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
    ...(tls !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
  };
}

/** For a cluster. A command whose connection broke fails at once: sent again, a write could happen twice. */
export function clusterOptions(properties: RedisProperties): ClusterOptions {
  const tls = tlsOf(properties);
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: (times) => pauseOf(properties, times),
    retryDelayOnFailover: 0,
    slotsRefreshInterval: 2_000,
    slotsRefreshTimeout: properties.dialTimeout,
    redisOptions: { ...connectionOptions(properties), ...credentials(properties), ...(tls !== undefined && { tls }) },
  };
}

function connectionOptions({ dialTimeout, readTimeout }: RedisProperties): RedisOptions {
  return {
    lazyConnect: true,
    connectTimeout: dialTimeout,
    connectionName: 'proa',
    keepAlive: 30_000,
    // A server that is silent for longer gets a new connection: what waits for it would grow without end.
    socketTimeout: readTimeout + 1_000,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    // The former master answers writes so: the connection must go to the new one. The command itself is not repeated.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
  };
}

function credentials({ redisUsername, redisPassword }: RedisProperties): RedisOptions {
  return {
    ...(redisUsername !== undefined && redisUsername !== '' && { username: redisUsername }),
    ...(redisPassword !== undefined && redisPassword !== '' && { password: redisPassword }),
  };
}

function tlsOf({ enableTLS, insecureSkipTLSVerify, clientCert, clientKey }: RedisProperties): RedisOptions['tls'] {
  if (!enableTLS) return undefined;
  return {
    rejectUnauthorized: !insecureSkipTLSVerify,
    ...(clientCert !== undefined && { cert: clientCert }),
    ...(clientKey !== undefined && { key: clientKey }),
  };
}

function pauseOf({ redisMinRetryInterval, redisMaxRetryInterval }: RedisProperties, times: number): number {
  return Math.max(1, Math.min(redisMaxRetryInterval, redisMinRetryInterval * 2 ** Math.min(times - 1, 16)));
}
