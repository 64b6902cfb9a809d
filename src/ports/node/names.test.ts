import { describe, expect, it } from 'vitest';
import { createSocket } from 'node:dgram';
import { createNodeDatagrams } from './datagrams.ts';
import { createNodeDns } from './dns.ts';

/** A name server of one datagram: answers what the test says, by type of the question. */
async function nameServer(answers: Readonly<Record<number, readonly Buffer[] | number>>) {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const name = query.subarray(12, query.indexOf(0, 12) + 1);
    const type = query.readUInt16BE(12 + name.length);
    const planned = answers[type] ?? [];
    const records = typeof planned === 'number' ? [] : planned;
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | (typeof planned === 'number' ? planned : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length, 6);
    const question = query.subarray(12, 12 + name.length + 4);
    const written = records.map((data) => {
      const fixed = Buffer.alloc(10);
      fixed.writeUInt16BE(type, 0);
      fixed.writeUInt16BE(1, 2);
      fixed.writeUInt32BE(7, 4);
      fixed.writeUInt16BE(data.length, 8);
      return Buffer.concat([Buffer.from([0xc0, 12]), fixed, data]);
    });
    socket.send(Buffer.concat([head, question, ...written]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return { server: `127.0.0.1:${socket.address().port}`, close: () => socket.close() };
}

const [typeA, typeAaaa, typeSrv] = [1, 28, 33];
const serverFailure = 2;
const noSuchName = 3;

describe('names of the real system', () => {
  it('asks for addresses of both kinds, with their TTL, and for services', async () => {
    const { server, close } = await nameServer({
      [typeA]: [Buffer.from([10, 0, 0, 7])],
      [typeAaaa]: [Buffer.from('fd000000000000000000000000000007', 'hex')],
      [typeSrv]: [Buffer.from('000a0014c3520161017400', 'hex')],
    });
    const dns = createNodeDns({ servers: [server] });
    expect(await dns.addresses('app.test')).toEqual([
      { address: '10.0.0.7', ttlSeconds: 7 },
      { address: 'fd00::7', ttlSeconds: 7 },
    ]);
    expect(await dns.services('_proa._tcp.app.test')).toEqual([{ host: 'a.t', port: 50_002, priority: 10, weight: 20 }]);
    expect(await dns.addresses('192.0.2.7')).toEqual([{ address: '192.0.2.7', ttlSeconds: 3_600 }]);
    close();
  });

  it('tells a name that does not exist from a server that fails', async () => {
    const none = await nameServer({ [typeA]: noSuchName, [typeAaaa]: noSuchName, [typeSrv]: noSuchName });
    const dns = createNodeDns({ servers: [none.server] });
    expect(await dns.addresses('none.test')).toEqual([]);
    expect(await dns.services('none.test')).toEqual([]);
    none.close();
    const broken = await nameServer({ [typeA]: serverFailure, [typeAaaa]: serverFailure, [typeSrv]: serverFailure });
    const failing = createNodeDns({ servers: [broken.server], tries: 1 });
    await expect(failing.addresses('app.test')).rejects.toMatchObject({ code: 'ESERVFAIL' });
    await expect(failing.services('app.test')).rejects.toMatchObject({ code: 'ESERVFAIL' });
    broken.close();
    const half = await nameServer({ [typeA]: [Buffer.from([10, 0, 0, 7])], [typeAaaa]: serverFailure });
    expect(await createNodeDns({ servers: [half.server], tries: 1 }).addresses('app.test')).toHaveLength(1);
    half.close();
  });
});

describe('datagrams of the real system', () => {
  it('carries bytes to an address, and nothing after it was closed', async () => {
    const datagrams = createNodeDatagrams();
    let heard: (text: string) => void = () => {};
    const there = await datagrams.open({ port: 0, host: '127.0.0.1' }, (bytes, from) =>
      heard(`${Buffer.from(bytes).toString()} ${from.host}`),
    );
    const here = await datagrams.open({ port: 0, host: '127.0.0.1' }, () => {});
    const arrived = new Promise<string>((resolve) => (heard = resolve));
    here.send(Buffer.from('hello'), { host: '127.0.0.1', port: there.port });
    expect(await arrived).toBe('hello 127.0.0.1');
    await here.close();
    await here.close();
    here.send(Buffer.from('late'), { host: '127.0.0.1', port: there.port });
    await there.close();
    expect(datagrams.hostAddresses().length).toBeGreaterThan(0);
  });

  it('fails with the code of the system', async () => {
    const datagrams = createNodeDatagrams();
    const taken = await datagrams.open({ port: 0, host: '127.0.0.1' }, () => {});
    await expect(datagrams.open({ port: taken.port, host: '127.0.0.1' }, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(datagrams.open({ port: 0, group: '10.0.0.1' }, () => {})).rejects.toMatchObject({ code: 'ENODEV' });
    const elsewhere = { port: 0, group: '224.0.0.251', groupInterface: '192.0.2.1' };
    await expect(datagrams.open(elsewhere, () => {})).rejects.toMatchObject({
      code: 'ENODEV',
      message: 'no interface with the address 192.0.2.1 takes part in multicast 224.0.0.251',
    });
    await taken.close();
  });
});
