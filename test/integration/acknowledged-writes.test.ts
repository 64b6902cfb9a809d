import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// kill -9 under load: whatever was answered with 2xx is there afterwards, and every published event reaches the app, which lives on.
let machine: TestMachine;
let app: Server;
let appPort = '';
const received: { run: number; n: number; key: string }[] = [];
const rounds = 6;

beforeAll(async () => {
  machine = createMachine();
  app = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      if (request.url === '/dapr/subscribe')
        return response.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 'numbers', route: '/numbers' }]));
      if (request.url !== '/numbers') return response.writeHead(404).end();
      received.push((JSON.parse(Buffer.concat(parts).toString()) as { data: (typeof received)[number] }).data);
      return response.end();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  appPort = String((app.address() as { port: number }).port);
});

afterAll(() => {
  app.close();
  machine.remove();
});

function start(): Promise<TestSidecar> {
  return startSidecar({
    appId: 'writer',
    appPort,
    machine,
    resources: { 's.yaml': component('statestore', 'state.proa'), 'p.yaml': component('pubsub', 'pubsub.proa') },
  });
}

it('loses no acknowledged write and no published event when it is killed', async () => {
  const saved = new Map<string, number>();
  const published: string[] = [];
  for (let run = 0; run < rounds; run++) {
    const sidecar = await start();
    for (const [key, value] of saved)
      expect(await (await sidecar.get(`/v1.0/state/statestore/${key}`)).json()).toBeGreaterThanOrEqual(value);
    let stopped = false;
    const write = async (lane: number): Promise<void> => {
      for (let n = 0; !stopped; n++) {
        const value = run * 1_000_000 + n;
        const body = JSON.stringify([{ key: `k${lane}`, value }]);
        const answer = await sidecar.get('/v1.0/state/statestore', { method: 'POST', body }).catch(() => undefined);
        if (answer?.status === 204) saved.set(`k${lane}`, value);
      }
    };
    const publish = async (lane: number): Promise<void> => {
      for (let n = 0; !stopped; n++) {
        const headers = { 'content-type': 'application/json' };
        const body = JSON.stringify({ run, n, key: `p${lane}` });
        const answer = await sidecar.get('/v1.0/publish/pubsub/numbers', { method: 'POST', headers, body }).catch(() => undefined);
        if (answer?.status === 204) published.push(`${run}/${n}/p${lane}`);
      }
    };
    const lanes = [0, 1, 2, 3].flatMap((lane) => [write(lane), publish(lane)]);
    const before = published.length;
    await eventually(() => published.length > before + 50 + 37 * run, 'enough was published');
    sidecar.kill();
    stopped = true;
    await Promise.all(lanes);
  }
  const last = await start();
  for (const [key, value] of saved) expect(await (await last.get(`/v1.0/state/statestore/${key}`)).json()).toBeGreaterThanOrEqual(value);
  const arrived = (): Set<string> => new Set(received.map(({ run, n, key }) => `${run}/${n}/${key}`));
  await eventually(() => published.every((id) => arrived().has(id)), 'every published event arrives', 60_000);
  // Duplicates stem from what was under way when the process died.
  expect(received.length - arrived().size).toBeLessThan(published.length / 2);
  expect(await last.stop()).toBe(0);
});
