import { describe, expect, it, vi } from 'vitest';
import type { Commit, Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';
import { tuple } from '../../kernel/tuple.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { bytes, done, text } from '../../testing/engine-suite-rig.ts';
import { engineSuite } from '../../testing/engine-suite.ts';
import { createFakeClock, type FakeClock } from '../../testing/fake-clock.ts';
import { createSimulatedNetwork, type SimulatedNetwork } from '../../testing/simulator/network.ts';
import { createMemoryContents, createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { connectEngine, type ConnectEngineOptions, type RemoteEngine } from './connect-engine.ts';
import { ReadGrants } from './read-grants.ts';
import { type EngineServer, serveEngine, type ServeEngineOptions } from './serve-engine.ts';

const address = { path: '/run/proa.sock' };

interface Rig {
  readonly network: SimulatedNetwork;
  readonly memory: Engine;
  readonly server: EngineServer;
  readonly connect: (more?: Partial<ConnectEngineOptions>) => Promise<RemoteEngine>;
  readonly close: () => Promise<void>;
}

async function rig(more: Partial<ServeEngineOptions> = {}, clock: Clock = nodeClock): Promise<Rig> {
  const network = createSimulatedNetwork({ clock, seed: 1 });
  const memory = createMemoryEngine({ clock });
  const server = await serveEngine({ network: network.node('owner'), clock, address, engine: Promise.resolve(memory), ...more });
  const opened: RemoteEngine[] = [];
  return {
    network,
    memory,
    server,
    async connect(options = {}) {
      const client = await connectEngine({ network: network.node('client'), clock, address, name: 'app', ...options });
      opened.push(client);
      return client;
    },
    async close() {
      await Promise.all(opened.map((client) => client.close()));
      await server.close();
      await memory.close();
    },
  };
}

/** Lets time pass, a millisecond and what it brings at a time, until that ended. */
async function passing<T>(clock: FakeClock, what: Promise<T>): Promise<T> {
  let ended = false;
  const end = (): void => void (ended = true);
  what.then(end, end);
  while (!ended) await pass(clock, 1);
  return what;
}

async function pass(clock: FakeClock, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed++) {
    clock.advance(1);
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  }
}

engineSuite({
  name: 'socket over a simulated network',
  async open() {
    const network = createSimulatedNetwork({ clock: nodeClock, seed: 7 });
    const contents = createMemoryContents();
    const opened: RemoteEngine[] = [];
    let epoch = 0;
    let memory = createMemoryEngine({ clock: nodeClock, contents });
    let server: EngineServer;
    const serve = async (): Promise<Engine> => {
      server = await serveEngine({
        network: network.node('owner'),
        clock: nodeClock,
        address: { path: `/s${++epoch}` },
        engine: Promise.resolve(memory),
      });
      return connect();
    };
    const connect = async (): Promise<Engine> => {
      const client = await connectEngine({ network: network.node('client'), clock: nodeClock, address: server.address, name: 'suite' });
      opened.push(client);
      return client;
    };
    const destroy = async (): Promise<void> => {
      await Promise.all(opened.map((client) => client.close()));
      await server.close();
      await memory.close();
    };
    const again = async (): Promise<Engine> => {
      await destroy();
      memory = createMemoryEngine({ clock: nodeClock, contents });
      return serve();
    };
    return { engine: await serve(), second: connect, reopen: again, crash: again, destroy };
  },
});

describe('engine over a socket', () => {
  it('keeps a client within its scope', async () => {
    const { connect, memory, close } = await rig();
    const mine = tuple('app', 'a');
    const client = await connect({ scope: [mine] });
    await done(client, { put: [{ key: tuple('app', 'a', 'k'), value: bytes('1') }] });
    await done(memory, { put: [{ key: tuple('app', 'b'), value: bytes('secret') }] });
    const denied = { code: 'engine.denied' };
    const put = [{ key: tuple('app', 'a', 'x'), value: bytes('1') }];
    await expect(client.get(tuple('app', 'b'))).rejects.toMatchObject(denied);
    await expect(client.range({ from: tuple('app'), to: '\xff' })).rejects.toMatchObject(denied);
    await expect(client.readLog('l', 0)).rejects.toMatchObject(denied);
    await expect(client.acquireLease('l', 'me', 1_000)).rejects.toMatchObject(denied);
    await expect(client.commit({ put, delete: [tuple('app', 'b')] })).rejects.toMatchObject(denied);
    await expect(client.commit({ put, deleteRange: [{ from: mine, to: '\xff' }] })).rejects.toMatchObject(denied);
    await expect(client.commit({ put, append: [{ log: 'l', entries: [{ data: bytes('') }] }] })).rejects.toMatchObject(denied);
    const peeking = { kind: 'exists', key: tuple('app', 'b') } as const;
    await expect(client.commit({ put, if: [peeking] })).rejects.toMatchObject(denied);
    expect(await memory.get(tuple('app', 'a', 'x'))).toBeUndefined();
    expect(text((await client.get(tuple('app', 'a', 'k')))?.value)).toBe('1');
    await close();
  });

  it('answers reads of one turn each with its own key, whatever became of the others', async () => {
    const { connect, memory, close } = await rig();
    const mine = tuple('app', 'a');
    const key = (name: string) => tuple('app', 'a', name);
    await done(memory, { put: ['1', '2', '3'].map((name) => ({ key: key(name), value: bytes(name) })) });
    const client = await connect({ scope: [mine] });
    const reads = ['1', '2', 'none', '3', '2'].map(async (name) => text((await client.get(key(name)))?.value));
    await expect(client.get(tuple('app', 'b'))).rejects.toMatchObject({ code: 'engine.denied' });
    expect(await Promise.all(reads)).toEqual(['1', '2', undefined, '3', '2']);
    await close();
  });

  it('reads what was committed before the read began, however many read at once', async () => {
    const { connect, close } = await rig();
    const [writer, reader] = [await connect(), await connect()];
    for (let i = 1; i <= 50; i++) {
      const before = Array.from({ length: 5 }, () => reader.get('k'));
      await done(writer, { put: [{ key: 'k', value: bytes(String(i)) }] });
      const after = await Promise.all(Array.from({ length: 5 }, async () => text((await reader.get('k'))?.value)));
      expect(new Set(after)).toEqual(new Set([String(i)]));
      await Promise.all(before);
    }
    await close();
  });

  it('looks at the epochs before it answers a read from memory', async () => {
    const guard: { doubt: Promise<void> | undefined } = { doubt: undefined };
    const { connect, memory, close } = await rig({ admit: () => guard.doubt });
    await done(memory, { put: [{ key: 'k', value: bytes('1') }] });
    const client = await connect();
    expect(text((await client.get('k'))?.value)).toBe('1');
    guard.doubt = Promise.reject(new ProaError('engine.unavailable', 'replaced'));
    guard.doubt.catch(() => {});
    await expect(client.get('k')).rejects.toMatchObject({ code: 'engine.unavailable' });
    await close();
  });

  it('answers unknown for commits under way when the connection is lost, and engine.unavailable for the rest', async () => {
    const { connect, network, close } = await rig();
    const client = await connect();
    const commit = client.commit({ put: [{ key: 'a', value: bytes('1') }] });
    const read = client.get('a');
    network.reset('client');
    expect((await commit).status).toBe('unknown');
    await expect(read).rejects.toMatchObject({ code: 'engine.unavailable' });
    await expect(client.get('a')).rejects.toMatchObject({ code: 'engine.unavailable' });
    expect((await client.lost).message).toContain('ECONNRESET');
    await close();
  });

  it('notices an owner that has fallen silent, half-open connections included', async () => {
    for (const silent of ['freeze', 'half-open'] as const) {
      const clock = createFakeClock();
      const { connect, network, close } = await rig({}, clock);
      const client = await passing(clock, connect({ silenceMs: 80 }));
      await pass(clock, 500);
      if (silent === 'freeze') network.freeze('owner');
      else network.kill('owner', true);
      expect((await passing(clock, client.lost)).message).toContain('silent');
      await expect(passing(clock, connect({ connectTimeoutMs: 50 }))).rejects.toMatchObject({ code: 'engine.unavailable' });
      await passing(clock, close());
    }
  });

  it('waits for an owner that is starting, and hears why it did not', async () => {
    let start: (engine: Engine) => void = () => {};
    const starting = new Promise<Engine>((resolve) => void (start = resolve));
    const clock = createFakeClock();
    const { connect, memory, close } = await rig({ engine: starting }, clock);
    const connecting = connect({ connectTimeoutMs: 50, silenceMs: 60 });
    await pass(clock, 500);
    start(memory);
    const client = await passing(clock, connecting);
    await passing(clock, done(client, { put: [{ key: 'a', value: bytes('1') }] }));
    await passing(clock, close());
    const failed = await rig({ engine: Promise.reject(new Error('disk on fire')) });
    await expect(failed.connect()).rejects.toThrow('disk on fire');
    await failed.close();
  });

  it('tells clients when it stops, and leaves no connection behind', async () => {
    const { connect, server, network, close } = await rig();
    const client = await connect();
    await done(client, { put: [{ key: 'a', value: bytes('1') }] });
    expect(server.clients).toBe(1);
    await server.close();
    expect((await client.lost).message).toBe('the owner stops');
    await close();
    for (let i = 0; network.open > 0 && i < 100; i++) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(network.open).toBe(0);
  });

  it('closes a connection that sends what is no frame, and serves the others', async () => {
    const { connect, network, close } = await rig();
    const client = await connect();
    const garbage = [Buffer.alloc(64, 0xff), Buffer.from([0, 0, 0, 5, 3, 0, 0, 0, 1]), Buffer.from([0, 0, 0, 1, 0])];
    for (const bytes_ of garbage) {
      const connection = network.node('client').connect(address);
      const closed = new Promise<void>((resolve) => {
        connection.handlers = {
          data: () => {},
          end: () => {},
          drain: () => {},
          close: () => resolve(),
          open: () => void connection.write(bytes_),
        };
      });
      await closed;
    }
    expect((await done(client, { put: [{ key: 'a', value: bytes('1') }] })).versions).toHaveLength(1);
    await close();
  });

  it('carries large commits and pages in many pieces, through a narrow window', async () => {
    const { connect, close } = await rig();
    const client = await connect();
    const value = new Uint8Array(900_000).map((_, i) => i % 251);
    await Promise.all(['a', 'b', 'c', 'd'].map((key) => done(client, { put: [{ key, value }] })));
    const found = await client.getMany(['a', 'b', 'c', 'd', 'e']);
    expect(found.map((entry) => entry?.value.length)).toEqual([900_000, 900_000, 900_000, 900_000, undefined]);
    expect(Buffer.compare(found[3]?.value as Uint8Array, value)).toBe(0);
    await close();
  });
});

describe('what a client keeps', () => {
  /** An owner that lets clients keep what they read, and a read as the blocks above do it. */
  async function keeping() {
    const owner: { grants: ReadGrants | undefined } = { grants: undefined };
    const made = await rig({ grants: () => owner.grants });
    const { memory } = made;
    const commit = memory.commit.bind(memory);
    const grants = new ReadGrants({ clock: nodeClock, engine: { commit }, servesForMs: () => 1_000, first: () => Promise.resolve() });
    Object.assign(memory, { commit: (given: Commit) => grants.commit(given) });
    owner.grants = grants;
    let kept = 0;
    const read = async (client: RemoteEngine, key: string): Promise<string | undefined> => {
      const known = client.peek?.(key);
      if (known !== undefined) kept++;
      return text((known ?? (await client.get(key)))?.value);
    };
    const hot = async (client: RemoteEngine, key: string): Promise<void> => {
      const before = kept;
      while (kept === before) await read(client, key);
    };
    return { ...made, grants, read, hot };
  }

  it('is never older than what was acknowledged when the read began, whoever writes', async () => {
    const { connect, memory, read, hot, close } = await keeping();
    const [reader, writer] = [await connect(), await connect()];
    let acknowledged = 0;
    await done(memory, { put: [{ key: 'k', value: bytes('0') }] });
    await hot(reader, 'k');
    let over = false;
    const reading = (async () => {
      let last = 0;
      while (!over) {
        const before = acknowledged;
        const value = Number(await read(reader, 'k'));
        expect(value).toBeGreaterThanOrEqual(Math.max(before, last));
        last = value;
      }
    })();
    for (let i = 1; i <= 100; i++) {
      await done(i % 3 === 0 ? memory : i % 3 === 1 ? writer : reader, { put: [{ key: 'k', value: bytes(String(i)) }] });
      acknowledged = i;
    }
    over = true;
    await reading;
    await close();
  });

  it('is not read any more once a write of it was acknowledged that could not be told', async () => {
    const { connect, memory, network, read, hot, close } = await keeping();
    const reader = await connect({ silenceMs: 60_000 });
    await done(memory, { put: [{ key: 'k', value: bytes('old') }] });
    await hot(reader, 'k');
    network.freeze('client');
    await done(memory, { put: [{ key: 'k', value: bytes('new') }] });
    expect(reader.peek?.('k')).toBeUndefined();
    network.thaw('client');
    expect(await read(reader, 'k')).toBe('new');
    await close();
  });

  it('is told to the owner when the client closes: nobody waits for its lease', async () => {
    const { connect, memory, hot, grants, close } = await keeping();
    const reader = await connect();
    await done(memory, { put: [{ key: 'k', value: bytes('old') }] });
    await hot(reader, 'k');
    const forgotten = vi.spyOn(grants, 'forgotten');
    await reader.close();
    await expect.poll(() => forgotten.mock.calls.map(([, id]) => id)).toContain(0);
    await close();
  });

  it('is gone with the connection, and never what expires or is large', async () => {
    const { connect, memory, network, hot, read, close } = await keeping();
    const reader = await connect();
    await done(memory, {
      put: ['k', 'large', 'brief'].map((key) => ({
        key,
        value: new Uint8Array(key === 'large' ? 70_000 : 3),
        ...(key === 'brief' && { expiresAtMs: memory.now() + 60_000 }),
      })),
    });
    await hot(reader, 'k');
    for (let i = 0; i < 20; i++) for (const key of ['large', 'brief']) await read(reader, key);
    expect(['large', 'brief'].map((key) => reader.peek?.(key))).toEqual([undefined, undefined]);
    network.reset('client');
    await reader.lost;
    expect(reader.peek?.('k')).toBeUndefined();
    await close();
  });
});
