import type { Clock } from '../../kernel/ports.ts';
import { recordTypes, type DnsRecord, type Name } from './packet.ts';

/** A service instance as its records say. */
export interface Instance {
  readonly service: Name;
  readonly name: Name;
  readonly port: number;
  readonly addresses: readonly string[];
  readonly texts: readonly string[];
  /** Until the first of its records expires. */
  readonly validForMs: number;
}

/** What others announced, for as long as they said. */
export interface KnownRecords {
  /** Takes the records of one message. Answers the services of `local.` that they may have changed. */
  learn(records: readonly DnsRecord[], from: string): Name[];
  instances(service: Name): Instance[];
}

interface Kept {
  readonly record: DnsRecord;
  readonly from: string;
  readonly untilMono: number;
}

// Any host of the network can send records: what is held is bounded, the oldest goes first.
const keptMax = 10_000;
const instancesMax = 256;
const ttlMaxSeconds = 75 * 60;

/** Nothing is known at first. */
export function createKnownRecords(clock: Clock): KnownRecords {
  const kept = new Map<string, Kept>();
  // True when it says something new: a record that merely lives on does not.
  const keep = (record: DnsRecord, from: string): boolean => {
    const key = keyOf(record);
    const old = kept.get(key);
    kept.delete(key);
    // TTL 0 is a farewell (RFC 6762, section 10.1).
    if (record.ttlSeconds === 0) return old !== undefined;
    kept.set(key, { record, from, untilMono: clock.mono() + Math.min(record.ttlSeconds, ttlMaxSeconds) * 1_000 });
    if (kept.size > keptMax) kept.delete(kept.keys().next().value as string);
    return old === undefined || old.untilMono <= clock.mono() || contentOf(old.record) !== contentOf(record);
  };
  // By name, after what expired was dropped.
  const living = (): Map<string, Kept[]> => {
    const byName = new Map<string, Kept[]>();
    for (const [key, entry] of kept) {
      if (entry.untilMono <= clock.mono()) kept.delete(key);
      else push(byName, textOf(entry.record.name), entry);
    }
    return byName;
  };
  return {
    learn(records, from) {
      const touched = new Map<string, Name>();
      for (const record of records) {
        const service = keep(record, from) ? serviceOf(record) : undefined;
        if (service !== undefined) touched.set(textOf(service), service);
      }
      return [...touched.values()];
    },
    instances(service) {
      const byName = living();
      const pointers = (byName.get(textOf(service)) ?? []).slice(0, instancesMax);
      return pointers.map((pointer) => instanceOf(pointer, service, byName, clock.mono())).filter((instance) => instance !== undefined);
    },
  };
}

function instanceOf(pointer: Kept, service: Name, byName: ReadonlyMap<string, readonly Kept[]>, now: number): Instance | undefined {
  if (pointer.record.type !== recordTypes.PTR) return undefined;
  const name = pointer.record.target;
  const own = byName.get(textOf(name)) ?? [];
  const srv = own.find(({ record }) => record.type === recordTypes.SRV);
  if (srv === undefined || srv.record.type !== recordTypes.SRV) return undefined;
  const { target, port } = srv.record;
  const hosts = (byName.get(textOf(target)) ?? []).filter(({ record }) => isAddress(record));
  return {
    service,
    name,
    port,
    // Two hosts of one name would share their addresses: those that came with the instance's own records go first.
    addresses: hosts
      .toSorted((a, b) => Number(b.from === srv.from) - Number(a.from === srv.from))
      .map(({ record }) => (record as { address: string }).address),
    texts: own.flatMap(({ record }) => (record.type === recordTypes.TXT ? record.texts : [])),
    validForMs: Math.min(...[pointer, srv, ...hosts].map(({ untilMono }) => untilMono - now)),
  };
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function textOf(name: Name): string {
  return name.join('\0').toLowerCase();
}

function contentOf({ ttlSeconds: _ttl, flush: _flush, ...content }: DnsRecord): string {
  return JSON.stringify(content);
}

function isAddress(record: DnsRecord): boolean {
  return record.type === recordTypes.A || record.type === recordTypes.AAAA;
}

// One SRV and one TXT per instance; pointers and addresses stand beside each other.
function keyOf(record: DnsRecord): string {
  const name = textOf(record.name);
  if (record.type === recordTypes.PTR) return `${record.type} ${name} ${textOf(record.target)}`;
  return isAddress(record) ? `${record.type} ${name} ${(record as { address: string }).address}` : `${record.type} ${name}`;
}

function serviceOf(record: DnsRecord): Name | undefined {
  if (record.type === recordTypes.PTR) return record.name;
  return record.type === recordTypes.SRV || record.type === recordTypes.TXT ? record.name.slice(1) : undefined;
}
