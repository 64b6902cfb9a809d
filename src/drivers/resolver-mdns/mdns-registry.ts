import { createAnnouncements } from '../../contracts/announcements.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import { createEndpointCache, type FoundEndpoints } from '../../contracts/endpoint-cache.ts';
import { endpointOf, factsOf, meshOf } from '../../contracts/endpoint-record.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import type { DatagramSocket } from '../../kernel/ports.ts';
import { createKnownRecords, type Instance, type KnownRecords } from './known-records.ts';
import { decodePacket, encodePacket, recordTypes, sameName, type DnsRecord, type Name, type Packet, type Question } from './packet.ts';

export interface MdnsOptions {
  readonly ttl: number;
  readonly browse: number;
  readonly refresh: number;
  readonly port: number;
  readonly interface?: string | undefined;
}

const group = '224.0.0.251';
const domain = 'local';

/**
 * Apps of one network segment over multicast DNS, with the records that Dapr writes (reference 13.3): service type = app id, domain `local.`, instance
 * `<host>:<pid>`, TXT = app id, port = the runtime's port for peers. Facts travel as further TXT strings, which Dapr ignores.
 */
export async function openMdns(options: MdnsOptions, context: DriverContext): Promise<Registry> {
  const { clock, datagrams } = context.ports;
  const known = createKnownRecords(clock);
  const waiting = new Set<() => void>();
  const own = new Map<string, Announced>();
  const one = options.interface;
  const socket: DatagramSocket = await datagrams.open(
    { port: options.port, group, ...(one !== undefined && { groupInterface: one }) },
    (bytes, from) => {
      const packet = decodePacket(bytes);
      if (packet !== undefined) received(packet, from);
    },
  );
  const send = (packet: Pick<Packet, 'response' | 'questions' | 'records'>, to = { host: group, port: options.port }): void =>
    socket.send(encodePacket({ id: 0, ...packet }), to);
  const tell = (records: readonly DnsRecord[]): void => send({ response: true, questions: [], records });

  const cache = createEndpointCache({
    clock,
    log: context.log,
    source: 'mdns',
    async lookup(appId, namespace) {
      send({ response: false, questions: [{ name: [appId, domain], type: recordTypes.PTR }], records: [] });
      await answered(known, { context, options, waiting, service: [appId, domain] });
      return endpointsOf(known, { appId, namespace, refreshMs: options.refresh });
    },
  });
  const received = (packet: Packet, from: { readonly host: string; readonly port: number }): void => {
    if (!packet.response) {
      const answers = packet.questions.flatMap((question) => [...own.values()].flatMap(({ records }) => asked(question, records)));
      if (answers.length === 0) return;
      // A question from another port is from a simple client, which wants its answer there (RFC 6762, section 6.7).
      if (from.port === options.port) tell(answers);
      else socket.send(encodePacket({ id: packet.id, response: true, questions: packet.questions, records: answers }), from);
      return;
    }
    for (const service of known.learn(packet.records, from.host))
      if (service.length === 2)
        for (const namespace of namespacesOf(cache.known(), service[0] as string)) cache.hint(service[0], namespace);
    for (const wake of waiting) wake();
  };
  const announcements = createAnnouncements({
    clock,
    log: context.log,
    source: 'mdns',
    intervalMs: options.ttl / 3,
    async write(endpoint) {
      const records = own.get(endpoint.instance)?.records ?? recordsOf(endpoint, context, options.ttl / 1_000);
      tell(records);
      own.set(endpoint.instance, { records });
    },
    async remove({ instance }) {
      const records = own.get(instance)?.records ?? [];
      own.delete(instance);
      tell(records.filter((record) => record.type !== recordTypes.A).map((record) => ({ ...record, ttlSeconds: 0 })));
    },
  });
  return {
    resolve: (appId, namespace) => cache.resolve(appId, namespace),
    onChange: (changed) => cache.onChange(changed),
    announce: (endpoint) => announcements.announce(endpoint),
    list: () => Promise.resolve(cache.known()),
    async close() {
      announcements.close();
      cache.close();
      for (const wake of waiting) wake();
      await socket.close();
    },
  };
}

interface Announced {
  readonly records: readonly DnsRecord[];
}

function namespacesOf(endpoints: readonly Endpoint[], appId: string): Set<string> {
  return new Set(endpoints.filter((endpoint) => endpoint.appId.toLowerCase() === appId.toLowerCase()).map(({ namespace }) => namespace));
}

interface Asking {
  readonly context: DriverContext;
  readonly options: MdnsOptions;
  readonly waiting: Set<() => void>;
  readonly service: Name;
}

// Answers come when they come: what is known already is enough, else the first one, else the time is up.
function answered(known: KnownRecords, { context, options, waiting, service }: Asking): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      waiting.delete(wake);
      resolve();
    };
    const wake = (): void => {
      if (known.instances(service).length > 0) done();
    };
    const timer = context.ports.clock.timer(options.browse, done);
    waiting.add(wake);
    wake();
  });
}

function endpointsOf(known: KnownRecords, asked: { appId: string; namespace: string; refreshMs: number }): FoundEndpoints {
  const { appId, namespace, refreshMs } = asked;
  const instances = known.instances([appId, domain]);
  const endpoints = instances.map((instance) => endpointFrom(instance, appId, namespace)).filter((endpoint) => endpoint !== undefined);
  return { endpoints, validForMs: Math.min(refreshMs, ...instances.map(({ validForMs }) => validForMs)) };
}

function endpointFrom({ name, port, addresses, texts }: Instance, appId: string, namespace: string): Endpoint | undefined {
  const host = addresses.find((address) => !address.includes(':')) ?? addresses[0];
  // Dapr writes the app's id as the one text; the type alone can be another app's whose name differs in case.
  if (host === undefined || !texts.includes(appId)) return undefined;
  const facts = Object.fromEntries(
    texts.filter((text) => text.includes('=')).map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
  return endpointOf({ appId, namespace, mesh: { host, port }, facts: { 'proa-instance': name[0] ?? '', ...facts } });
}

function recordsOf(endpoint: Endpoint, { ports }: DriverContext, ttlSeconds: number): DnsRecord[] {
  const { host, port } = meshOf(endpoint);
  const service: Name = [endpoint.appId, domain];
  const label = hostLabel(ports.process.hostName());
  const name: Name = [`${label}:${ports.process.pid}-${endpoint.instance.slice(-8)}`, ...service];
  // One name per machine would mix the addresses of two machines that call themselves the same.
  const target: Name = [`${label}-${endpoint.instance.slice(-8)}`.replaceAll(/[^\w-]/g, '-'), domain];
  const shared = { ttlSeconds: Math.ceil(ttlSeconds) };
  // A name or "every address" is no address: then those of this host are told.
  const literal = host !== '0.0.0.0' && host !== '::' && (/^[\d.]+$/.test(host) || host.includes(':'));
  const addresses = literal ? [host] : ports.datagrams.hostAddresses();
  return [
    { type: recordTypes.PTR, name: service, target: name, ...shared },
    { type: recordTypes.SRV, name, target, port, flush: true, ...shared },
    {
      type: recordTypes.TXT,
      name,
      texts: [endpoint.appId, ...Object.entries(factsOf(endpoint)).map(([key, value]) => `${key}=${value}`)],
      flush: true,
      ...shared,
    },
    ...addresses.map((address): DnsRecord => {
      const type = address.includes(':') ? recordTypes.AAAA : recordTypes.A;
      return { type, name: target, address, flush: true, ...shared };
    }),
  ];
}

function hostLabel(host: string): string {
  return (host.split('.')[0] ?? '').slice(0, 32) || 'host';
}

function asked(question: Question, records: readonly DnsRecord[]): readonly DnsRecord[] {
  const hit = records.some(
    (record) => sameName(record.name, question.name) && (question.type === recordTypes.ANY || question.type === record.type),
  );
  return hit ? records : [];
}
