import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findPostgres, startPostgres, type PostgresServer } from '../../src/testing/postgres-server.ts';
import { createMachine, eventually, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// A whole runtime stands still (SIGSTOP) in the middle of an actor's turn, another one takes the actor over, and then it goes on (SIGCONT) where it was.

/** A runtime with an app whose actors count. */
interface Runtime {
  readonly name: string;
  readonly sidecar: TestSidecar;
  /** The app: turns of `slow` wait for the gate after they have read. */
  readonly app: App;
  stop(): Promise<void>;
}

class App {
  readonly server: Server;
  /** What became of the writes of slow turns: the status of the state API. */
  readonly writes: { readonly status: number; readonly text: string }[] = [];
  /** A slow turn has read its state and waits. */
  waiting = false;
  openGate: () => void = () => {};
  readonly #gate: Promise<void>;
  sidecar: TestSidecar | undefined;

  constructor() {
    this.#gate = new Promise((resolve) => (this.openGate = resolve));
    this.server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return String((this.server.address() as AddressInfo).port);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const [, first, , id = '', kind, method] = (request.url ?? '').split('/');
    if (request.url === '/dapr/config') return void response.end(JSON.stringify({ entities: ['Counter'], drainOngoingCallTimeout: '1s' }));
    if (first !== 'actors' || kind !== 'method') return void response.end();
    const state = `/v1.0/actors/Counter/${id}/state`;
    const read = await (await this.#ask(`${state}/count`)).text();
    const count = read === '' ? 0 : Number(read);
    if (method === 'slow') {
      this.waiting = true;
      await this.#gate;
    }
    const next = method === 'get' ? count : count + 1;
    if (method !== 'get') {
      const body = JSON.stringify([{ operation: 'upsert', request: { key: 'count', value: next } }]);
      const saved = await this.#ask(state, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      if (method === 'slow') this.writes.push({ status: saved.status, text: await saved.text() });
      else if (!saved.ok) throw new Error(await saved.text());
    }
    response.setHeader('content-type', 'application/json');
    response.end(String(next));
  }

  #ask(path: string, init?: RequestInit): Promise<Response> {
    if (this.sidecar === undefined) throw new Error('called before there is a sidecar');
    return this.sidecar.get(path, init);
  }
}

async function startRuntime(name: string, machine: TestMachine, flags: readonly string[]): Promise<Runtime> {
  const app = new App();
  const appPort = await app.listen();
  // What the type is named in has no built-in retries: they would do the refused turn again.
  const resources = {
    'resiliency.yaml':
      'apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\nspec: { policies: { timeouts: { long: 60s } }, targets: { actors: { Counter: { timeout: long } } } }\n',
  };
  const sidecar = await startSidecar({ appId: 'counters', appPort, machine, resources, flags: ['--placement-ttl', '4s', ...flags] });
  app.sidecar = sidecar;
  await eventually(() => sidecar.output().includes('hosting actors of Counter'), 'actors are hosted');
  return {
    name,
    sidecar,
    app,
    async stop() {
      process.kill(sidecar.pid, 'SIGCONT');
      app.openGate();
      await sidecar.stop();
      app.server.close().closeAllConnections();
    },
  };
}

const invoke = ({ sidecar }: Runtime, id: string, method: string): Promise<Response> =>
  sidecar.get(`/v1.0/actors/Counter/${id}/method/${method}`, { method: 'POST' });

const answersAlone = ({ sidecar }: Runtime, id: string): Promise<boolean> =>
  sidecar.get(`/v1.0/actors/Counter/${id}/method/get`, { method: 'POST', signal: AbortSignal.timeout(20_000) }).then(
    ({ status }) => status === 200,
    () => false,
  );

async function inMemory({ sidecar }: Runtime): Promise<readonly string[]> {
  const { types } = (await (await sidecar.get('/proa/v1/actors')).json()) as { types: { ids: string[] }[] };
  return types[0]?.ids ?? [];
}

/** An actor that one runtime has in memory. It stays there: the other one has its share already. */
async function actorOn(runtime: Runtime, other: Runtime): Promise<string> {
  for (let i = 0, shared = false; i < 1_000; i++) {
    await invoke(runtime, `a${i}`, 'increment');
    if (shared && (await inMemory(runtime)).includes(`a${i}`)) return `a${i}`;
    shared ||= (await inMemory(runtime)).length > 0 && (await inMemory(other)).length > 0;
  }
  throw new Error('the runtime hosts none of 1,000 actors');
}

const postgres = findPostgres();
if (postgres === undefined) console.log('skipped: postgres not found');

describe.each([
  { engine: 'the journal, by its owner', onPostgres: false, frozen: 0 },
  { engine: 'the journal, by another runtime', onPostgres: false, frozen: 1 },
  { engine: 'PostgreSQL', onPostgres: true, frozen: 0 },
])('a turn on $engine', ({ onPostgres, frozen: index }) => {
  const runs = !onPostgres || postgres !== undefined;
  let server: PostgresServer | undefined;
  let machine: TestMachine;
  const runtimes: Runtime[] = [];
  beforeAll(async () => {
    if (runs && onPostgres) server = await startPostgres(postgres as string);
  });
  afterAll(() => server?.destroy());
  afterEach(async () => {
    for (const runtime of runtimes.splice(0)) await runtime.stop();
    machine.remove();
  });

  it.runIf(runs)('that a freeze of its runtime overtook writes nothing and answers nothing', async () => {
    machine = createMachine();
    const flags =
      server === undefined
        ? []
        : ['--engine', `postgres://proa@${encodeURIComponent(server.address.host)}:${server.address.port}/postgres?schema=frozen`];
    for (const name of ['one', 'two']) runtimes.push(await startRuntime(name, machine, flags));
    const [frozen, other] = [runtimes[index], runtimes[1 - index]] as [Runtime, Runtime];
    const id = await actorOn(frozen, other);
    const before = Number(await (await invoke(frozen, id, 'get')).text());
    const slow = invoke(frozen, id, 'slow');
    await eventually(() => frozen.app.waiting, 'the turn is under way');

    process.kill(frozen.sidecar.pid, 'SIGSTOP');
    // Asked by what changes nothing: who gives up waiting does not know what still becomes of a call.
    await eventually(() => answersAlone(other, id), 'the other runtime has the actor');
    expect((await invoke(other, id, 'increment')).status).toBe(200);
    expect(await (await invoke(other, id, 'get')).text()).toBe(String(before + 1));

    process.kill(frozen.sidecar.pid, 'SIGCONT');
    frozen.app.openGate();
    // Neither what the turn writes nor what it answers counts.
    expect((await slow).ok).toBe(false);
    // The call may be given up before the app has heard what became of its write.
    await eventually(() => frozen.app.writes.length > 0, 'the app knows what became of its write');
    expect(frozen.app.writes).toHaveLength(1);
    expect(frozen.app.writes[0]?.status).toBeGreaterThanOrEqual(400);
    for (const runtime of runtimes) expect(await (await invoke(runtime, id, 'get')).text()).toBe(String(before + 1));
    expect(await (await invoke(frozen, id, 'increment')).text()).toBe(String(before + 2));
    expect(await (await invoke(other, id, 'increment')).text()).toBe(String(before + 3));
    const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${frozen.sidecar.metricsPort}/metrics`)).text();
    await expect.poll(metrics, { timeout: 60_000 }).toMatch(/proa_actor_overlaps_total\{[^}]*actor_type="Counter"[^}]*\} [1-9]/);
  });
});
