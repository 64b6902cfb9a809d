import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// The sidecar is killed again and again under a live app: what it acknowledged must be there afterwards, in both its state and its events.
const rounds = 5;
const writers = 8;
let machine: TestMachine;
let app: Server;
let sidecar: TestSidecar | undefined;
/** Numbers as the app received them, by writer. */
const received = new Map<number, number[]>();

beforeAll(async () => {
  machine = createMachine();
  app = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', (): unknown => {
      if (incoming.url === '/dapr/subscribe') return outgoing.end('[{"pubsubname":"pubsub","topic":"numbers","route":"/numbers"}]');
      if (incoming.url !== '/numbers') return outgoing.writeHead(404).end();
      const { data } = JSON.parse(Buffer.concat(chunks).toString()) as { data: { writer: number; number: number } };
      received.set(data.writer, [...(received.get(data.writer) ?? []), data.number]);
      return outgoing.end();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  await sidecar?.stop();
  app.closeAllConnections();
  app.close();
  machine.remove();
});

const start = (): Promise<TestSidecar> =>
  startSidecar({
    appId: 'crash',
    appPort: String((app.address() as AddressInfo).port),
    machine,
    resources: { 'state.yaml': component('store', 'state.proa'), 'pubsub.yaml': component('pubsub', 'pubsub.proa') },
  });

const post = async (to: TestSidecar, path: string, body: unknown): Promise<boolean> => {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await to.get(path, init).catch(() => undefined);
  return answer?.status === 204;
};

it('loses nothing that it acknowledged, and goes on delivering, when it is killed again and again', async () => {
  const saved = new Map<number, number>();
  const tried = new Map<number, number>();
  const published = new Map<number, number[]>();
  let next = 0;
  for (let round = 0; round < rounds; round++) {
    sidecar = await start();
    const target = sidecar;
    await target.ready();
    let acknowledged = 0;
    const write = async (writer: number): Promise<void> => {
      for (;;) {
        const number = ++next;
        tried.set(writer, number);
        if (!(await post(target, '/v1.0/state/store', [{ key: `k${writer}`, value: number }]))) return;
        saved.set(writer, number);
        if (!(await post(target, `/v1.0/publish/pubsub/numbers?metadata.partitionKey=${writer}`, { writer, number }))) return;
        published.set(writer, [...(published.get(writer) ?? []), number]);
        // Killed in the midst of the others' writes, by progress and not by time.
        if (++acknowledged === 300 + round * 37) target.kill();
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    sidecar = await start();
    for (const [writer, number] of saved) {
      const found = (await (await sidecar.get(`/v1.0/state/store/k${writer}`)).json()) as number;
      // The write that was under way at the kill may have happened.
      expect([number, tried.get(writer)]).toContain(found);
      saved.set(writer, found);
    }
    sidecar.kill();
  }
  sidecar = await start();
  const missing = (): number[] =>
    [...published].flatMap(([writer, numbers]) => {
      const seen = new Set(received.get(writer));
      return numbers.filter((number) => !seen.has(number));
    });
  await eventually(() => missing().length === 0, 'every acknowledged event reaches the app', 60_000);
  const total = [...published.values()].reduce((sum, numbers) => sum + numbers.length, 0);
  const deliveries = [...received.values()].reduce((sum, numbers) => sum + numbers.length, 0);
  expect(total).toBeGreaterThan(rounds * 300);
  // Again come only those that were in flight, or whose acknowledgement was not written yet, at one of the kills.
  expect(deliveries - total).toBeLessThan(rounds * 2 * 100);
  for (const numbers of received.values()) {
    const first = [...new Set(numbers)];
    expect(first).toEqual([...first].sort((a, b) => a - b));
  }
});
