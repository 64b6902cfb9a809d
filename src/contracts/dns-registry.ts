import type { Clock, Dns, DnsAddress, DnsService } from '../kernel/ports.ts';
import type { Logger } from '../kernel/log.ts';
import { createEndpointCache, type FoundEndpoints } from './endpoint-cache.ts';
import type { Endpoint, Registry } from './resolver.ts';

export interface DnsRegistryOptions {
  readonly dns: Dns;
  readonly clock: Clock;
  readonly log: Logger;
  readonly source: string;
  /** The question for an app: a name whose addresses are the endpoints, all on one port, or the name of SRV records. */
  question(appId: string, namespace: string): { readonly name: string; readonly port: number } | { readonly services: string };
  /** An answer is asked for again after this time even when its TTL is longer. */
  readonly refreshMaxMs: number;
}

const ttlMinMs = 1_000;
// What one answer may bring; more is a mistake or an attack, and the rest is left out.
const endpointsMax = 1_000;

/** Apps as names: the name servers know who lives, nobody announces anything. Answers are believed for their TTL. */
export function createDnsRegistry(options: DnsRegistryOptions): Registry {
  const { clock, log, source } = options;
  const cache = createEndpointCache({ clock, log, source, lookup: (appId, namespace) => lookup(options, appId, namespace) });
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    // Whoever runs the name servers lists what runs: in Kubernetes the service does.
    announce: () => Promise.resolve(() => Promise.resolve()),
    list: () => Promise.resolve(cache.known()),
    close() {
      cache.close();
      return Promise.resolve();
    },
  };
}

async function lookup(options: DnsRegistryOptions, appId: string, namespace: string): Promise<FoundEndpoints> {
  const question = options.question(appId, namespace);
  const hosts = 'services' in question ? await targets(options.dns, question.services) : [await host(options.dns, question)];
  const endpoints = hosts.flatMap(({ port, weight, addresses }) =>
    addresses.map(({ address }): Endpoint => ({
      appId,
      namespace,
      instance: `${address.includes(':') ? `[${address}]` : address}:${port}`,
      mesh: { host: address, port },
      ...(weight !== undefined && { weight }),
    })),
  );
  const ttlMs = Math.min(...hosts.flatMap(({ addresses }) => addresses.map(({ ttlSeconds }) => ttlSeconds * 1_000)), options.refreshMaxMs);
  // Name servers rotate their answers; in one order a rotation is no change.
  const sorted = [...new Map(endpoints.map((endpoint) => [endpoint.instance, endpoint])).values()].toSorted((a, b) =>
    a.instance < b.instance ? -1 : 1,
  );
  return { endpoints: sorted.slice(0, endpointsMax), validForMs: Math.max(ttlMinMs, ttlMs) };
}

interface Host {
  readonly port: number;
  readonly weight?: number;
  readonly addresses: readonly DnsAddress[];
}

async function host(dns: Dns, { name, port }: { readonly name: string; readonly port: number }): Promise<Host> {
  return { port, addresses: await dns.addresses(name) };
}

// RFC 2782: the lowest priority that has addresses takes all calls; weight 0 is a small share, not none.
async function targets(dns: Dns, name: string): Promise<Host[]> {
  const services = (await dns.services(name)).slice(0, endpointsMax);
  for (const priority of [...new Set(services.map((service) => service.priority))].toSorted((a, b) => a - b)) {
    const group = services.filter((service) => service.priority === priority && service.host !== '' && service.host !== '.');
    const hosts = await Promise.all(group.map((service) => target(dns, service)));
    if (hosts.some(({ addresses }) => addresses.length > 0)) return hosts;
  }
  return [];
}

async function target(dns: Dns, service: DnsService): Promise<Host> {
  return { port: service.port, weight: Math.max(1, service.weight), addresses: await dns.addresses(service.host) };
}

/** Puts app and namespace into a template: `{appid}`, `{namespace}`. Both are made a DNS label's characters; fails for an app id that cannot be one. */
export function fillName(template: string, appId: string, namespace: string): string {
  for (const label of [appId, namespace])
    if (!/^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/.test(label)) throw new Error(`"${label}" cannot be part of a DNS name`);
  return template.replaceAll(/\{appid\}/gi, appId).replaceAll(/\{namespace\}/gi, namespace);
}
