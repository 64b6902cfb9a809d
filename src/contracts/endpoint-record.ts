import * as v from 'valibot';
import type { Address } from '../kernel/ports.ts';
import type { Endpoint } from './resolver.ts';

const name = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const meshAddress = v.object({ host: name, port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)) });
const weight = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535));

const record = v.object({
  appId: name,
  namespace: name,
  instance: name,
  mesh: meshAddress,
  health: v.exactOptional(v.picklist(['healthy', 'unhealthy', 'draining'])),
  zone: v.exactOptional(name),
  weight: v.exactOptional(weight),
  version: v.exactOptional(name),
  metadata: v.exactOptional(v.record(v.string(), v.string())),
});

/** How endpoints are written in registries of other systems: without the sockets of this machine. */
export function encodeEndpoint({ local: _local, ...shared }: Endpoint): string {
  return JSON.stringify(shared);
}

/** Reads what `encodeEndpoint` wrote. Undefined for anything else: a registry is shared with strangers. A socket path in it is never believed. */
export function decodeEndpoint(text: string): Endpoint | undefined {
  try {
    const read = v.safeParse(record, JSON.parse(text));
    return read.success ? read.output : undefined;
  } catch {
    return undefined;
  }
}

const prefix = 'proa-';

/** The facts of an endpoint as text pairs, for registries that keep nothing else: own names begin with `proa-`, metadata stands beside them. */
export function factsOf(endpoint: Endpoint): Record<string, string> {
  const { namespace, instance, zone, version, health, metadata = {} } = endpoint;
  const facts: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata)) if (!key.startsWith(prefix)) facts[key] = value;
  facts[`${prefix}namespace`] = namespace;
  facts[`${prefix}instance`] = instance;
  if (zone !== undefined) facts[`${prefix}zone`] = zone;
  if (version !== undefined) facts[`${prefix}version`] = version;
  if (health !== undefined) facts[`${prefix}health`] = health;
  if (endpoint.weight !== undefined) facts[`${prefix}weight`] = String(endpoint.weight);
  return facts;
}

export interface Discovered {
  readonly appId: string;
  /** The namespace that was asked for: what states none belongs to all. */
  readonly namespace: string;
  readonly mesh: Extract<Address, { port: number }>;
  readonly facts: Readonly<Record<string, string>>;
  readonly health?: Endpoint['health'];
  /** The registry's own weight; a weight among the facts wins. */
  readonly weight?: number;
}

/** An endpoint of what another system's registry says. Undefined when it states another namespace. Facts that make no sense are left out. */
export function endpointOf({ appId, namespace, mesh, facts, ...own }: Discovered): Endpoint | undefined {
  const fact = (key: string): string | undefined => {
    const value = Object.hasOwn(facts, prefix + key) ? facts[prefix + key] : undefined;
    return value === '' ? undefined : value;
  };
  if ((fact('namespace') ?? namespace) !== namespace) return undefined;
  const stated = fact('weight');
  const share = stated !== undefined && /^\d{1,5}$/.test(stated) ? Number(stated) : own.weight;
  const [zone, version, said] = [fact('zone'), fact('version'), fact('health')];
  const health = own.health ?? (said === 'unhealthy' || said === 'draining' || said === 'healthy' ? said : undefined);
  const metadata = Object.entries(facts).filter(([key]) => !key.startsWith(prefix));
  return {
    appId,
    namespace,
    instance: fact('instance') ?? `${mesh.host}:${mesh.port}`,
    mesh,
    ...(health !== undefined && { health }),
    ...(zone !== undefined && { zone }),
    ...(share !== undefined && share <= 65_535 && { weight: share }),
    ...(version !== undefined && { version }),
    ...(metadata.length > 0 && { metadata: Object.fromEntries(metadata) }),
  };
}

/** Where an endpoint is announced to other machines; fails for one that they cannot reach. */
export function meshOf(endpoint: Endpoint): { readonly host: string; readonly port: number } {
  const { mesh } = endpoint;
  if (mesh === undefined || 'path' in mesh) throw new Error(`app "${endpoint.appId}" has no address for other machines`);
  return mesh;
}
