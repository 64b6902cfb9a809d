import * as v from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import type { FoundEndpoints } from '../../contracts/endpoint-cache.ts';
import { endpointOf, factsOf, meshOf } from '../../contracts/endpoint-record.ts';
import { fetchBytes, httpTarget } from '../../contracts/fetch-bytes.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { config } from './config.ts';

type Options = v.InferOutput<typeof config>;
type Fields = Readonly<Record<string, string>>;

const bytesMax = 8 * 1024 * 1024;
const timeoutMs = 5_000;
// The server does not know the instance any more.
const notFound = 20_404;

const instances = v.object({
  cacheMillis: v.optional(v.number(), 10_000),
  hosts: v.optional(
    v.array(
      v.object({
        ip: v.string(),
        port: v.number(),
        healthy: v.optional(v.boolean(), true),
        enabled: v.optional(v.boolean(), true),
        weight: v.optional(v.number(), 1),
        metadata: v.optional(v.nullable(v.record(v.string(), v.string())), {}),
      }),
    ),
    [],
  ),
});

/** The server, as far as it is needed. Failures are Errors with what it said. */
export interface NacosServer {
  /** A beat for a registered endpoint; registers what the server does not know. */
  renew(endpoint: Endpoint): Promise<void>;
  deregister(endpoint: Endpoint): Promise<void>;
  instances(appId: string, namespace: string): Promise<FoundEndpoints>;
}

/** Fails with `component.init-failed` for settings that cannot be. */
export function createNacosServer(options: Options, context: DriverContext): NacosServer {
  const { namespaceId, group, ttl } = options;
  const ask = askerOf(options, context);
  const registered = new Set<string>();
  const place = (appId: string): Fields => ({ serviceName: appId, groupName: group, ...(namespaceId !== undefined && { namespaceId }) });
  const register = async (endpoint: Endpoint): Promise<void> => {
    const { ip, port, weight, metadata } = described(endpoint, ttl);
    const fields = { ip, port: String(port), weight: String(weight), enabled: 'true', healthy: 'true', ephemeral: 'true' };
    await ask('POST', 'ns/instance', { ...place(endpoint.appId), ...fields, metadata: JSON.stringify(metadata) });
    registered.add(endpoint.instance);
  };
  const beat = async (endpoint: Endpoint): Promise<boolean> => {
    const facts = { ...described(endpoint, ttl), serviceName: `${group}@@${endpoint.appId}`, scheduled: true };
    const data = await ask('PUT', 'ns/instance/beat', { ...place(endpoint.appId), ephemeral: 'true', beat: JSON.stringify(facts) });
    return (jsonOf(data) as { code?: unknown } | undefined)?.code !== notFound;
  };
  return {
    async renew(endpoint) {
      if (!registered.has(endpoint.instance) || !(await beat(endpoint))) await register(endpoint);
    },
    async deregister(endpoint) {
      registered.delete(endpoint.instance);
      const { host, port } = meshOf(endpoint);
      await ask('DELETE', 'ns/instance', { ...place(endpoint.appId), ip: host, port: String(port), ephemeral: 'true' });
    },
    async instances(appId, namespace) {
      const read = v.safeParse(instances, jsonOf(await ask('GET', 'ns/instance/list', place(appId))));
      if (!read.success) throw new Error('Nacos answers ns/instance/list in a shape that is not known');
      const { hosts, cacheMillis } = read.output;
      const endpoints = hosts.map((host) => endpointFrom(host, appId, namespace)).filter((endpoint) => endpoint !== undefined);
      return { endpoints, validForMs: Math.min(cacheMillis, ttl / 3) };
    },
  };
}

/** Sends one request; logs in when there is a user, and again when the token is refused. */
function askerOf(options: Options, context: DriverContext): (method: string, path: string, fields: Fields) => Promise<Uint8Array> {
  const { username, password } = options;
  const base = baseOf(options);
  let token: string | undefined;
  const send = (method: string, path: string, fields: Fields) => {
    const text = new URLSearchParams({ ...fields, ...(token !== undefined && { accessToken: token }) }).toString();
    const inBody = method === 'POST';
    return fetchBytes({
      http: context.http,
      clock: context.ports.clock,
      method,
      url: `${base}/v1/${path}${inBody ? '' : `?${text}`}`,
      ...(inBody && { body: Buffer.from(text), headers: ['content-type', 'application/x-www-form-urlencoded'] }),
      timeoutMs,
      bytesMax,
    });
  };
  const login = async (): Promise<void> => {
    if (username === undefined || password === undefined) return;
    token = undefined;
    const { status, data } = await send('POST', 'auth/login', { username, password });
    const answer = status === 200 ? v.safeParse(v.object({ accessToken: v.string() }), jsonOf(data)) : undefined;
    if (answer?.success !== true) throw new Error(`Nacos refuses the user: status ${status}`);
    token = answer.output.accessToken;
  };
  return async (method, path, fields) => {
    if (username !== undefined && token === undefined) await login();
    let answer = await send(method, path, fields);
    if (username !== undefined && (answer.status === 401 || answer.status === 403)) {
      await login();
      answer = await send(method, path, fields);
    }
    if (answer.status === 200) return answer.data;
    throw new Error(`Nacos answers ${path} with status ${answer.status}: ${Buffer.from(answer.data).toString('utf8').slice(0, 200)}`);
  };
}

function baseOf({ url, contextPath, username, password }: Options): string {
  const base = `${url.replace(/\/+$/, '')}/${contextPath.replace(/^\/+|\/+$/g, '')}`.replace(/\/+$/, '');
  const wrong = (message: string, cause?: unknown) =>
    new ProaError('component.init-failed', `name resolution proa.nacos: ${message}`, { cause });
  try {
    httpTarget(base);
  } catch (cause) {
    throw wrong((cause as Error).message, cause);
  }
  if ((username === undefined) !== (password === undefined)) throw wrong('`username` and `password` need each other');
  return base;
}

function described(endpoint: Endpoint, ttlMs: number) {
  const { host, port } = meshOf(endpoint);
  const metadata = {
    ...factsOf(endpoint),
    'preserved.heart.beat.interval': String(Math.floor(ttlMs / 3)),
    'preserved.heart.beat.timeout': String(ttlMs),
    'preserved.ip.delete.timeout': String(2 * ttlMs),
  };
  return { ip: host, port, weight: endpoint.weight ?? 1, metadata };
}

type Host = v.InferOutput<typeof instances>['hosts'][number];

function endpointFrom(host: Host, appId: string, namespace: string): Endpoint | undefined {
  if (host.port < 1 || host.port > 65_535) return undefined;
  const facts = Object.fromEntries(Object.entries(host.metadata ?? {}).filter(([key]) => !key.startsWith('preserved.')));
  const health = host.enabled ? (host.healthy ? {} : { health: 'unhealthy' as const }) : { health: 'draining' as const };
  const weight = host.weight === 1 ? {} : { weight: Math.min(65_535, Math.max(0, Math.round(host.weight))) };
  return endpointOf({ appId, namespace, mesh: { host: host.ip, port: host.port }, facts, ...health, ...weight });
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString('utf8'));
  } catch {
    return undefined;
  }
}
