import { ActorId, ActorProxyBuilder, CommunicationProtocolEnum, DaprClient } from '@dapr/dapr';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from './sidecar.ts';

const command = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const app = fileURLToPath(new URL('../fixtures/actor-app.mjs', import.meta.url));

/** What the app's actor can do, as its callers see it. */
abstract class CounterActor {
  abstract increment(by?: number): Promise<number>;
  abstract count(): Promise<number>;
  abstract overlaps(): Promise<number>;
  abstract where(): Promise<string>;
  abstract fail(): Promise<void>;
  abstract startTimer(): Promise<string>;
  abstract stopTimer(): Promise<string>;
  abstract startReminder(): Promise<string>;
  abstract stopReminder(): Promise<string>;
  abstract fired(): Promise<string[]>;
}

interface Instance {
  readonly sidecar: TestSidecar;
  readonly child: ChildProcess;
  /** `kill -9` of app and sidecar. */
  crash(): void;
  stop(): Promise<void>;
}

async function startInstance(machine: TestMachine, name: string): Promise<Instance> {
  const appPort = await freePort();
  const sidecar = await startSidecar({ appId: 'counters', appPort, machine });
  let crashed = false;
  const child = spawn(process.execPath, [app, appPort, sidecar.httpPort, name], { stdio: 'ignore' });
  await sidecar.ready();
  await eventually(() => sidecar.output().includes('hosting actors of CounterActor'), 'actors are hosted');
  return {
    sidecar,
    child,
    crash() {
      crashed = true;
      child.kill('SIGKILL');
      sidecar.kill();
    },
    async stop() {
      if (!crashed) await sidecar.stop();
      child.kill('SIGKILL');
    },
  };
}

function proxies(daprPort: string, communicationProtocol = CommunicationProtocolEnum.HTTP): (id: string) => CounterActor {
  const client = new DaprClient({ daprHost: '127.0.0.1', daprPort, communicationProtocol });
  // The SDK takes the type's name from the class.
  const builder = new ActorProxyBuilder(CounterActor as unknown as new () => CounterActor, client);
  return (id) => builder.build(new ActorId(id)) as unknown as CounterActor;
}

describe("the SDK's actors", () => {
  let machine: TestMachine;
  let instance: Instance;
  let actor: (id: string) => CounterActor;

  beforeAll(async () => {
    machine = createMachine();
    instance = await startInstance(machine, 'one');
    actor = proxies(instance.sidecar.httpPort);
  });
  afterAll(async () => {
    await instance.stop();
    machine.remove();
  });

  it('keep their state, each its own', async () => {
    expect(await actor('a').increment()).toBe(1);
    expect(await actor('a').increment(4)).toBe(5);
    expect(await actor('b').count()).toBe(0);
    expect(await actor('a').count()).toBe(5);
  });

  it('have one turn at a time', async () => {
    const many = Array.from({ length: 20 }, () => actor('busy').increment());
    expect((await Promise.all(many)).toSorted((x, y) => x - y)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(await actor('busy').overlaps()).toBe(0);
  });

  it('are called over gRPC too', async () => {
    const grpc = proxies(instance.sidecar.grpcPort, CommunicationProtocolEnum.GRPC);
    expect(await grpc('over-grpc').increment(3)).toBe(3);
    expect(await actor('over-grpc').count()).toBe(3);
  });

  it('fail with what their code says, and go on', async () => {
    await expect(actor('a').fail()).rejects.toThrow();
    const answer = await instance.sidecar.get('/v1.0/actors/CounterActor/a/method/fail', { method: 'POST' });
    expect(answer.status).toBe(500);
    expect(await answer.json()).toMatchObject({ errorCode: 'ERR_ACTOR_INVOKE_METHOD' });
    expect(await actor('a').count()).toBe(5);
  });

  it('have timers, which end when they are told to', async () => {
    expect(await actor('clock').startTimer()).toBe('started');
    await eventually(async () => (await actor('clock').fired()).filter((each) => each === 'timer "beat"').length >= 2, 'two ticks');
    expect(await actor('clock').stopTimer()).toBe('stopped');
  });

  it('have reminders, which can be read and removed', async () => {
    expect(await actor('sleeper').startReminder()).toBe('started');
    const path = '/v1.0/actors/CounterActor/sleeper/reminders/wake';
    expect(await (await instance.sidecar.get(path)).json()).toMatchObject({
      actorID: 'sleeper',
      actorType: 'CounterActor',
      data: 'rent',
      period: '1s',
    });
    await eventually(async () => (await actor('sleeper').count()) >= 200, 'two firings');
    expect(await actor('sleeper').fired()).toContain('reminder "rent"');
    expect(await actor('sleeper').stopReminder()).toBe('stopped');
    expect((await instance.sidecar.get(path)).status).toBe(404);
  });

  it('are seen, called and ended by the command', async () => {
    const proa = async (...args: string[]): Promise<unknown> => {
      const env = { ...process.env, ...machine.env };
      const { stdout } = await promisify(execFile)(process.execPath, [command, 'actor', ...args, '--app-id', 'counters', '--json'], {
        env,
      });
      return JSON.parse(stdout) as unknown;
    };
    expect(await proa('invoke', 'CounterActor', 'seen', 'increment')).toEqual({ status: 200, body: 1 });
    const [row] = (await proa('list')) as { appId: string; type: string; ids: string[] }[];
    expect(row).toMatchObject({ appId: 'counters', type: 'CounterActor', ready: true });
    expect(row?.ids).toContain('seen');
    expect(await proa('state', 'CounterActor', 'seen')).toEqual({ type: 'CounterActor', id: 'seen', state: { count: 1 } });
    await actor('seen').startReminder();
    expect(await proa('reminders', 'CounterActor', 'seen')).toMatchObject({
      type: 'CounterActor',
      reminders: [{ id: 'seen', name: 'wake', data: 'rent' }],
    });
    await actor('seen').stopReminder();
    expect(await proa('deactivate', 'CounterActor', 'seen')).toEqual({ type: 'CounterActor', id: 'seen' });
    expect(((await proa('list')) as { ids: string[] }[])[0]?.ids).not.toContain('seen');
    expect(await actor('seen').count()).toBeGreaterThanOrEqual(1);
  });

  it('stand in the metadata, and refuse what is not valid', async () => {
    const metadata = (await (await instance.sidecar.get('/v1.0/metadata')).json()) as { actorRuntime: object; actors: object[] };
    expect(metadata.actorRuntime).toMatchObject({ runtimeStatus: 'RUNNING', hostReady: true, placement: 'placement: connected' });
    expect(metadata.actors).toEqual([{ type: 'CounterActor', count: expect.any(Number) as number }]);
    const status = async (path: string, method = 'GET', body?: string) =>
      (await instance.sidecar.get(path, { method, ...(body === undefined ? {} : { body }) })).status;
    expect(await status('/v1.0/actors/CounterActor/never-called/state/count')).toBe(204);
    expect(await status('/v1.0/actors/CounterActor/never-called/state', 'POST', '[]')).toBe(400);
    expect(await status('/v1.0/actors/CounterActor/a%2Fb/method/count')).toBe(400);
    expect(await status('/v1.0/actors/CounterActor/a/reminders/x', 'POST', '{"period":"P1M"}')).toBe(400);
    expect(await status('/v1.0/actors/Other/a/reminders/x', 'POST', '{"period":"1s"}')).toBe(403);
    expect(await status('/v1.0/actors/dapr.internal.x/a/method/y', 'POST')).toBe(403);
  });
});

describe('actors of two runtimes', () => {
  const instances: Instance[] = [];
  let machine: TestMachine | undefined;
  afterEach(async () => {
    await Promise.all(instances.splice(0).map((each) => each.stop()));
    machine?.remove();
  });

  it('go on elsewhere when one is killed, with their state and their reminders', async () => {
    machine = createMachine();
    const one = await startInstance(machine, 'one');
    const two = await startInstance(machine, 'two');
    instances.push(one, two);
    const viaTwo = proxies(two.sidecar.httpPort);
    const ids = Array.from({ length: 30 }, (_, i) => `cart-${i}`);
    for (const id of ids) await viaTwo(id).increment();
    await eventually(async () => new Set(await Promise.all(ids.map((id) => viaTwo(id).where()))).size === 2, 'both host actors');
    const homes = await Promise.all(ids.map((id) => viaTwo(id).where()));
    const moved = ids.filter((_, i) => homes[i] === 'one');
    await viaTwo(moved[0] as string).startReminder();
    one.crash();
    const [reminded = 0, ...others] = await Promise.all(moved.map((id) => viaTwo(id).increment()));
    expect(others).toEqual(others.map(() => 2));
    // Its reminder, of one second, may have come before the call did, once or for each second that nobody was there.
    expect(reminded % 100).toBe(2);
    expect(new Set(await Promise.all(ids.map((id) => viaTwo(id).where())))).toEqual(new Set(['two']));
    await eventually(async () => (await viaTwo(moved[0] as string).count()) >= 102, 'the reminder fires elsewhere');
  });
});
