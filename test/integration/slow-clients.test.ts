import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { component, createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// Ten thousand clients that send slowly, or do not read: what the runtime keeps for them is bounded, the others are served, and the slow ones are let go.
const server = createServer((_request, response) => {
  const piece = Buffer.alloc(64 * 1024, 'x');
  let left = 1_000;
  Readable.from(
    (function* pieces() {
      while (left-- > 0) yield piece;
    })(),
  ).pipe(response);
  response.on('error', () => {});
});
let machine: TestMachine;
let sidecar: TestSidecar;
const sockets = new Set<Socket>();

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  machine = createMachine();
  sidecar = await startSidecar({
    machine,
    appId: 'patient',
    appPort: String((server.address() as { port: number }).port),
    resources: { 's.yaml': component('statestore', 'state.proa') },
  });
  await sidecar.ready();
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await sidecar.stop();
  server.closeAllConnections();
  server.close();
  machine.remove();
});

interface Slow {
  readonly socket: Socket;
  answer: string;
}

/** Connections that say `bytes` and then no more; those that `read` not leave what comes in the system's buffers. */
async function open(count: number, bytes: string, read = true): Promise<Slow[]> {
  const slow: Slow[] = [];
  // In portions: what waits to be accepted has a limit, too.
  for (let left = count; left > 0; left -= 200) {
    const portion = Array.from({ length: Math.min(200, left) }, () => {
      const socket = connect({ host: '127.0.0.1', port: Number(sidecar.httpPort) });
      const client: Slow = { socket, answer: '' };
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      if (read) socket.on('data', (chunk: Buffer) => (client.answer += chunk.toString('latin1', 0, 64)));
      slow.push(client);
      return new Promise<void>((resolve) => socket.once('connect', () => socket.write(bytes, () => resolve())));
    });
    await Promise.all(portion);
  }
  return slow;
}

async function residentBytes(): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${sidecar.metricsPort}/metrics`)).text();
  return Number(/^process_resident_memory_bytes(?:\{[^}]*\})? ([\d.e+]+)/m.exec(metrics)?.[1] ?? Number.NaN);
}

const healthy = async (): Promise<boolean> => {
  const answer = await fetch(`http://127.0.0.1:${sidecar.httpPort}/v1.0/state/statestore/none`, { headers: { connection: 'close' } });
  await answer.arrayBuffer();
  return answer.status === 204;
};

/** Sends one more byte on each connection now and then, which is all that keeps it; until it is stopped. */
function trickle(clients: readonly Slow[]): () => void {
  const timer = setInterval(() => {
    for (const { socket } of clients) socket.write('x');
  }, 5_000);
  return () => clearInterval(timer);
}

// A head has ten seconds and a body half a minute after its last byte, so the test takes most of a minute; and a busy machine opens some hundred connections a second.
it('serves the others beside ten thousand slow clients, keeps little for each, and lets them go', async () => {
  const before = await residentBytes();
  const unread = await open(90, 'GET /v1.0/invoke/patient/method/large HTTP/1.1\r\nHost: a\r\n\r\n', false);
  const heads = await open(900, 'GET /v1.0/state/statestore/k HTTP/1.1\r\nHost: a\r\nX-Slow: ');
  const bodies: Slow[] = [];
  const stop = trickle(bodies);
  while (bodies.length < 9_000)
    bodies.push(...(await open(200, 'POST /v1.0/state/statestore HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n[{"key":"')));
  expect(await healthy()).toBe(true);
  const heldBytes = (await residentBytes()) - before;
  // 90 answers of 64 MB each would be 5.7 GB; a head, a body or an answer under way is some kilobytes.
  expect(heldBytes).toBeLessThan(400 * 1024 * 1024);
  expect(bodies.filter(({ socket }) => socket.destroyed)).toEqual([]);
  // Beyond the limit a client is told so. Heads that came first may have been let go by now; then there is room for some more.
  const more: Slow[] = [];
  const refused = (): number => more.filter(({ answer }) => answer.startsWith('HTTP/1.1 503')).length;
  while (refused() === 0 && more.length < 2_000) {
    more.push(...(await open(200, 'GET /v1.0/state/statestore/k HTTP/1.1\r\nHost: a\r\n\r\n')));
    await eventually(() => more.every(({ answer, socket }) => answer !== '' || socket.destroyed), 'all of them are answered');
  }
  expect(refused()).toBeGreaterThan(0);
  for (const { socket } of more) socket.destroy();
  stop();
  await eventually(() => heads.every(({ socket }) => socket.destroyed), 'the slow heads are let go');
  expect(heads.filter(({ answer }) => answer.startsWith('HTTP/1.1 408')).length).toBeGreaterThan(800);
  expect(await healthy()).toBe(true);
  await eventually(() => bodies.every(({ socket }) => socket.destroyed), 'the slow bodies are let go', 120_000);
  for (const { socket } of unread) socket.destroy();
  expect((await residentBytes()) - before).toBeLessThan(400 * 1024 * 1024);
});
