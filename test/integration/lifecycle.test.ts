import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, eventually, freePort, startSidecar, type TestMachine } from '../compat/sidecar.ts';

// An app that comes and goes beside a process that stays.
let machine: TestMachine;

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => machine.remove());

describe('an app that comes and goes', () => {
  const events: number[] = [];
  let slow = 0;

  async function startApp(port: string): Promise<Server> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        if (request.url === '/dapr/subscribe') return response.end(JSON.stringify([{ pubsubname: 'pubsub', topic: 't', route: '/t' }]));
        if (request.url === '/slow') {
          slow++;
          return setTimeout(() => response.end('done'), 1_000);
        }
        if (request.url !== '/t') return response.writeHead(404).end();
        events.push((JSON.parse(Buffer.concat(parts).toString()) as { data: number }).data);
        return response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve));
    return server;
  }

  it('is served when it starts late, crashes and returns; a call under way is finished at the end', async () => {
    const appPort = await freePort();
    // The app lives in this process: a stall of the machine takes its time from the grace of the stop.
    const flags = ['--dapr-graceful-shutdown-seconds', '60'];
    const sidecar = await startSidecar({
      ...{ appId: 'late', appPort, machine, flags },
      resources: { 'p.yaml': component('pubsub', 'pubsub.proa') },
    });
    const publish = async (n: number): Promise<void> => {
      const answer = await sidecar.get('/v1.0/publish/pubsub/t', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: String(n),
      });
      expect(answer.status).toBe(204);
    };
    expect((await sidecar.get('/v1.0/healthz')).status).toBe(500);
    await publish(1);
    let app = await startApp(appPort);
    await sidecar.ready();
    await eventually(() => events.includes(1), 'what was published before the app was there arrives');
    app.closeAllConnections();
    app.close();
    await publish(2);
    app = await startApp(appPort);
    await eventually(() => events.includes(2), 'what was published while it was away arrives');
    const answer = sidecar.get('/v1.0/invoke/late/method/slow');
    await eventually(() => slow === 1, 'the call is under way');
    const stopped = sidecar.stop();
    expect(await (await answer).text()).toBe('done');
    expect(await stopped).toBe(0);
    app.close();
  });
});
