import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../contracts/resolver.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryDatagrams } from '../../testing/memory-names.ts';
import { resolverSuite } from '../../testing/resolver-suite.ts';
import driver from './index.ts';
import { decodePacket, encodePacket, recordTypes, type DnsRecord, type Packet } from './packet.ts';

const group = '224.0.0.251';
const endpoint = (instance: string, more: Partial<Endpoint> = {}): Endpoint => ({
  appId: 'shop',
  namespace: 'n',
  instance,
  mesh: { host: '10.0.0.9', port: 50_002 },
  ...more,
});

function segment() {
  const clock = createFakeClock();
  const network = createMemoryDatagrams();
  let machines = 0;
  const open = (metadata: Record<string, string> = {}) =>
    driver.open(v.parse(driver.config, metadata), testDriverContext({ clock, datagrams: network.machine(`10.0.0.${++machines}`) }));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const pass = async (ms: number) => {
    // A question waits for a timer, so time moves in steps and the answers get their turns between them.
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(left, 500));
      await turn();
    }
  };
  const settled = async <T>(asked: Promise<T>): Promise<T> => {
    let done = false;
    const answer = asked.finally(() => (done = true));
    while (!done) await pass(500);
    return answer;
  };
  const station = async (address: string) => {
    const heard: Packet[] = [];
    const socket = await network.machine(address).open({ port: 5_353, group }, (bytes) => {
      const packet = decodePacket(bytes);
      if (packet !== undefined) heard.push(packet);
    });
    const say = (packet: Partial<Packet>) =>
      socket.send(encodePacket({ id: 0, response: true, questions: [], records: [], ...packet }), { host: group, port: 5_353 });
    return { heard, say };
  };
  return { clock, network, open, turn, pass, settled, station };
}

resolverSuite({
  name: 'mdns',
  can: ['announce', 'namespaces', 'facts'],
  leaseMs: 80_000,
  rig: async () => {
    const { open, pass, settled } = segment();
    return {
      async open() {
        const registry = await open();
        return { ...registry, resolve: (appId, namespace) => settled(registry.resolve(appId, namespace)) };
      },
      pass,
      close: async () => {},
    };
  },
});

describe('mdns', () => {
  it('writes the records that Dapr reads, and says farewell', async () => {
    const { open, station, turn, pass } = segment();
    const { heard, say } = await station('10.0.0.200');
    const registry = await open();
    const leave = await registry.announce(endpoint('0123456789abcdef'));
    await turn();
    const [announced] = heard;
    const [pointer, srv, text, address] = announced?.records ?? [];
    expect(announced?.response).toBe(true);
    expect(pointer).toMatchObject({ type: recordTypes.PTR, name: ['shop', 'local'], ttlSeconds: 60 });
    expect(srv).toMatchObject({ type: recordTypes.SRV, port: 50_002, name: (pointer as unknown as { target: string[] }).target });
    expect(srv?.name[0]).toMatch(/^host:1-/);
    expect(text).toMatchObject({ type: recordTypes.TXT, texts: expect.arrayContaining(['shop']) as string[] });
    expect(address).toMatchObject({ type: recordTypes.A, address: '10.0.0.9', name: (srv as unknown as { target: string[] }).target });
    heard.length = 0;
    say({ response: false, questions: [{ name: ['SHOP', 'local'], type: recordTypes.PTR }] });
    say({ response: false, questions: [{ name: ['other', 'local'], type: recordTypes.PTR }] });
    await turn();
    expect(heard.filter(({ response }) => response)).toEqual([announced]);
    heard.length = 0;
    await pass(20_000);
    expect(heard).toEqual([announced]);
    await leave();
    await turn();
    expect(heard.at(-1)?.records.map(({ type, ttlSeconds }) => [type, ttlSeconds])).toEqual([
      [recordTypes.PTR, 0],
      [recordTypes.SRV, 0],
      [recordTypes.TXT, 0],
    ]);
  });

  it('finds what Dapr announces, and leaves out what belongs to another app', async () => {
    const { open, station, settled, turn } = segment();
    const { say } = await station('10.0.0.201');
    const dapr = (instance: string, text: string): DnsRecord[] => [
      { type: recordTypes.PTR, name: ['shop', 'local'], target: [instance, 'shop', 'local'], ttlSeconds: 60 },
      { type: recordTypes.SRV, name: [instance, 'shop', 'local'], target: ['box', 'local'], port: 41_000, ttlSeconds: 60 },
      { type: recordTypes.TXT, name: [instance, 'shop', 'local'], texts: [text], ttlSeconds: 60 },
      { type: recordTypes.AAAA, name: ['box', 'local'], address: 'fd00::5', ttlSeconds: 60 },
      { type: recordTypes.A, name: ['box', 'local'], address: '10.0.0.201', ttlSeconds: 60 },
    ];
    const registry = await open();
    say({ records: [...dapr('box:77', 'shop'), ...dapr('box:78', 'SHOP')] });
    await turn();
    expect((await settled(registry.resolve('shop', 'any'))).endpoints).toEqual([
      { appId: 'shop', namespace: 'any', instance: 'box:77', mesh: { host: '10.0.0.201', port: 41_000 } },
    ]);
    await registry.close();
  });

  it('does not ask again because somebody renews: silence begets silence', async () => {
    const { open, station, settled, pass } = segment();
    const { heard } = await station('10.0.0.200');
    const [here, there] = [await open(), await open()];
    await there.announce(endpoint('one'));
    await settled(here.resolve('shop', 'n'));
    heard.length = 0;
    await pass(25_000);
    expect(heard.filter(({ response }) => !response)).toEqual([]);
    await pass(10_000);
    expect(heard.filter(({ response }) => !response)).toHaveLength(1);
  });

  it('answers a simple client where it asked from, with its id and its question', async () => {
    const { open, network, turn } = segment();
    const registry = await open();
    await registry.announce(endpoint('one'));
    const heard: Packet[] = [];
    const client = await network.machine('10.0.0.202').open({ port: 0 }, (bytes) => heard.push(decodePacket(bytes) as Packet));
    const question = { name: ['shop', 'local'], type: recordTypes.ANY };
    client.send(encodePacket({ id: 99, response: false, questions: [question], records: [] }), { host: group, port: 5_353 });
    await turn();
    expect(heard).toHaveLength(1);
    expect(heard[0]).toMatchObject({ id: 99, questions: [question] });
    expect(heard[0]?.records).toHaveLength(4);
  });

  it('survives noise, and floods of records of strangers', async () => {
    const { open, station, network, settled, turn } = segment();
    const { say } = await station('10.0.0.203');
    const registry = await open();
    const noise = await network.machine('10.0.0.204').open({ port: 5_353, group }, () => {});
    noise.send(Uint8Array.of(1, 2, 3), { host: group, port: 5_353 });
    for (let i = 0; i < 200; i++)
      say({
        records: Array.from({ length: 60 }, (_, n): DnsRecord => ({
          type: recordTypes.PTR,
          name: ['shop', 'local'],
          target: [`x${i}-${n}`, 'shop', 'local'],
          ttlSeconds: 60,
        })),
      });
    await turn();
    expect((await settled(registry.resolve('shop', 'n'))).endpoints).toEqual([]);
  });

  it('refuses to announce what cannot be written', async () => {
    const { open } = segment();
    const registry = await open();
    await expect(registry.announce(endpoint('one', { metadata: { long: 'x'.repeat(300) } }))).rejects.toThrow('255');
    await expect(registry.announce({ appId: 'shop', namespace: 'n', instance: 'i' })).rejects.toThrow('no address');
    await expect(registry.announce(endpoint('one', { appId: 'x'.repeat(64) }))).rejects.toThrow('label');
  });
});

const multicast = await nodePorts()
  .datagrams.open({ port: 0, group }, () => {})
  .then((socket) => socket.close().then(() => true))
  .catch(() => false);
if (!multicast) console.log('skipped: no interface of this machine takes part in multicast');

describe.runIf(multicast)('mdns on the real network', () => {
  it('two runtimes of one machine find each other', async () => {
    const ports = nodePorts();
    // A port of its own keeps the test apart from whatever else speaks on this network.
    const metadata = { port: String(20_000 + (ports.random.u32() % 30_000)), browse: '5s' };
    const open = () =>
      driver.open(
        v.parse(driver.config, metadata),
        testDriverContext({ clock: ports.clock, datagrams: ports.datagrams, random: ports.random }),
      );
    const [here, there] = [await open(), await open()];
    await there.announce(endpoint('one', { zone: 'west' }));
    // Who is busy answers after the first question has been given up.
    const found = async () => (await here.resolve('shop', 'n')).endpoints;
    await expect.poll(found).toMatchObject([{ instance: 'one', zone: 'west', mesh: { host: '10.0.0.9', port: 50_002 } }]);
    await here.close();
    await there.close();
  });
});
