import * as v from 'valibot';
import type { DriverContext } from '../../contracts/driver.ts';
import { endpointOf, factsOf, meshOf } from '../../contracts/endpoint-record.ts';
import { fetchBytes, httpTarget, type Fetched } from '../../contracts/fetch-bytes.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { config } from './config.ts';

type Options = v.InferOutput<typeof config>;

const bytesMax = 8 * 1024 * 1024;
const waitSeconds = 60;
const timeoutMs = 5_000;

const health = v.array(
  v.object({
    Node: v.optional(v.object({ Address: v.optional(v.string(), '') }), {}),
    Service: v.object({
      ID: v.string(),
      Address: v.optional(v.string(), ''),
      Port: v.optional(v.number(), 0),
      Meta: v.optional(v.nullable(v.record(v.string(), v.string())), {}),
      Weights: v.optional(v.object({ Passing: v.optional(v.number()) }), {}),
    }),
    Checks: v.optional(v.array(v.object({ Status: v.optional(v.string(), '') })), []),
  }),
);

interface Blocking {
  readonly index: string;
  readonly cancel: Cancellation;
}

/** The local agent, as far as it is needed. Failures are Errors with what it said. */
export interface ConsulAgent {
  /** Passes the check of a registered endpoint, and registers what the agent does not know. */
  renew(endpoint: Endpoint): Promise<void>;
  deregister(endpoint: Endpoint): Promise<void>;
  /** With `blocking` the answer waits until the index is another one, a minute at most. */
  service(appId: string, namespace: string, blocking?: Blocking): Promise<{ readonly endpoints: Endpoint[]; readonly index: string }>;
}

/** Fails with `component.init-failed` for an address that is none. */
export function createConsulAgent(options: Options, context: DriverContext): ConsulAgent {
  const ask = askerOf(options, context);
  const must = async (path: string, body?: object): Promise<void> => {
    const { status, data } = await ask('PUT', path, body === undefined ? {} : { body });
    if (status !== 200)
      throw new Error(`Consul answers ${path} with status ${status}: ${Buffer.from(data).toString('utf8').slice(0, 200)}`);
  };
  const registered = new Set<string>();
  const register = async (endpoint: Endpoint): Promise<void> => {
    await must('agent/service/register', registrationOf(endpoint, options));
    registered.add(endpoint.instance);
  };
  return {
    async renew(endpoint) {
      if (!registered.has(endpoint.instance)) return register(endpoint);
      const { status } = await ask('PUT', `agent/check/pass/${encodeURIComponent(`proa:${endpoint.instance}`)}`);
      // The agent was restarted, or gave the service up: it is registered again.
      return status === 200 ? undefined : register(endpoint);
    },
    deregister(endpoint) {
      registered.delete(endpoint.instance);
      return must(`agent/service/deregister/${encodeURIComponent(endpoint.instance)}`);
    },
    async service(appId, namespace, blocking) {
      const query = blocking === undefined ? {} : { index: blocking.index, wait: `${waitSeconds}s` };
      const path = `health/service/${encodeURIComponent(appId)}`;
      const { status, headers, data } = await ask('GET', path, { query, ...(blocking !== undefined && { cancel: blocking.cancel }) });
      if (status !== 200) throw new Error(`Consul answers ${path} with status ${status}`);
      const entries = v.safeParse(health, JSON.parse(Buffer.from(data).toString('utf8')));
      if (!entries.success) throw new Error(`Consul answers ${path} in a shape that is not known`);
      const at = headers.findIndex((name, i) => i % 2 === 0 && name === 'x-consul-index');
      const { daprPortMetaKey } = options;
      return {
        endpoints: entries.output
          .map((entry) => endpointFrom(entry, { appId, namespace, daprPortMetaKey }))
          .filter((found) => found !== undefined),
        index: at < 0 ? '0' : (headers[at + 1] as string),
      };
    },
  };
}

interface Asked {
  readonly body?: object;
  readonly query?: Readonly<Record<string, string>>;
  readonly cancel?: Cancellation;
}

function askerOf({ client = {} }: Options, context: DriverContext): (method: string, path: string, more?: Asked) => Promise<Fetched> {
  const { datacenter, namespace, token } = client;
  const base = `${client.scheme ?? 'http'}://${(client.address ?? '127.0.0.1:8500').replace(/\/+$/, '')}`;
  try {
    httpTarget(base);
  } catch (cause) {
    throw new ProaError('component.init-failed', `name resolution consul: ${(cause as Error).message}`, { cause });
  }
  return (method, path, { body, query = {}, cancel } = {}) => {
    const all = { ...(datacenter !== undefined && { dc: datacenter }), ...(namespace !== undefined && { ns: namespace }), ...query };
    const text = new URLSearchParams(all).toString();
    return fetchBytes({
      http: context.http,
      clock: context.ports.clock,
      method,
      url: `${base}/v1/${path}${text === '' ? '' : `?${text}`}`,
      headers: ['content-type', 'application/json', ...(token === undefined ? [] : ['x-consul-token', token])],
      ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
      ...(cancel !== undefined && { cancel }),
      // A blocking query answers after its wait and a sixteenth of it at the latest.
      timeoutMs: query['wait'] === undefined ? timeoutMs : (waitSeconds * 17_000) / 16 + timeoutMs,
      bytesMax,
    });
  };
}

function registrationOf(endpoint: Endpoint, { ttl, tags = [], meta = {}, daprPortMetaKey }: Options): object {
  const { host, port } = meshOf(endpoint);
  return {
    ID: endpoint.instance,
    Name: endpoint.appId,
    Address: host,
    Port: port,
    Tags: tags,
    Meta: { ...meta, ...factsOf(endpoint), [daprPortMetaKey]: String(port) },
    ...(endpoint.weight !== undefined && { Weights: { Passing: Math.max(1, endpoint.weight), Warning: 1 } }),
    Check: {
      CheckID: `proa:${endpoint.instance}`,
      Name: 'the runtime renews',
      TTL: `${ttl}ms`,
      Status: 'passing',
      DeregisterCriticalServiceAfter: `${Math.max(60_000, 4 * ttl)}ms`,
    },
  };
}

type Entry = v.InferOutput<typeof health>[number];

// Without the meta key the service was not registered for peers: its port is the app's own, which speaks something else.
function endpointFrom(
  { Node, Service, Checks }: Entry,
  asked: { appId: string; namespace: string; daprPortMetaKey: string },
): Endpoint | undefined {
  const { [asked.daprPortMetaKey]: stated = '', ...facts } = Service.Meta ?? {};
  const host = Service.Address === '' ? Node.Address : Service.Address;
  const port = Number(stated);
  if (host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  const critical = Checks.some(({ Status }) => Status === 'critical');
  const maintenance = Checks.some(({ Status }) => Status === 'maintenance');
  const share = Service.Weights.Passing;
  return endpointOf({
    appId: asked.appId,
    namespace: asked.namespace,
    mesh: { host, port },
    facts: { 'proa-instance': Service.ID, ...facts },
    ...(maintenance ? { health: 'draining' as const } : critical ? { health: 'unhealthy' as const } : {}),
    ...(share !== undefined && share > 1 && { weight: share }),
  });
}
