import { describe, expect, it } from 'vitest';
import type { Engine } from '../../contracts/engine.ts';
import { createMemoryContents, createMemoryEngine, type MemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Network } from '../../kernel/ports.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { bytes, done, text } from '../../testing/engine-suite-rig.ts';
import { engineSuite } from '../../testing/engine-suite.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { createSimulatedNetwork } from '../../testing/simulator/network.ts';
import type { MeetingPlace } from './meeting-place.ts';
import { openMeetingPlace } from './meeting-place.ts';
import type { OwnedStore } from './owned-store.ts';
import { shareEngine, type SharedEngine } from './shared-engine.ts';
import type { EngineRole } from './seat.ts';

const random = createNodeRandom();

/** What the journal does with files, over a memory engine and a register: a takeover voids what the older owner has not acknowledged. */
function createMemoryStore() {
  const contents = createMemoryContents();
  let epoch = 0;
  let current: MemoryEngine | undefined;
  const store: OwnedStore = {
    epoch: async () => epoch,
    async open(seen, claimed) {
      if (epoch !== seen) return undefined;
      epoch++;
      current?.crash();
      const engine = createMemoryEngine({ clock: nodeClock, contents });
      current = engine;
      await claimed(epoch);
      return engine;
    },
  };
  /** The next lease that is asked for fails so. */
  const failLease = (error: ProaError): void => {
    const engine = current as MemoryEngine;
    const acquireLease = engine.acquireLease.bind(engine);
    engine.acquireLease = () => {
      engine.acquireLease = acquireLease;
      return Promise.reject(error);
    };
  };
  return { store, crash: () => current?.crash(), epoch: () => epoch, failLease };
}

/** A read as the blocks above do it: from what is kept, else from the owner. */
async function readHot(engine: SharedEngine, key: string): Promise<string | undefined> {
  return text((engine.peek?.(key) ?? (await engine.get(key)))?.value);
}

/** By default a silence that a busy machine does not make by itself. */
function machine(seed = 3, { silenceMs = 1_000, process = processStub }: { silenceMs?: number; process?: typeof processStub } = {}) {
  const network = createSimulatedNetwork({ clock: nodeClock, seed });
  const memory = createMemoryStore();
  const disk = createMemoryDisk();
  const opened: SharedEngine[] = [];
  let meeting: MeetingPlace | undefined;
  return {
    network,
    memory,
    open: async (name: string, role: EngineRole = 'sidecar', through = (own: Network): Network => own): Promise<SharedEngine> => {
      meeting ??= await openMeetingPlace({ disk, random, process }, '/data');
      const ports = { clock: nodeClock, random, network: through(network.node(name)) };
      const engine = await shareEngine({ ports, store: memory.store, meeting, role, name, silenceMs, deadlineMs: 60_000 });
      opened.push(engine);
      return engine;
    },
    close: async (): Promise<void> => {
      for (const engine of opened) await engine.close();
    },
  };
}

const processStub = { pid: 1, alive: () => true, temporaryDirectory: () => '/tmp' } as unknown as Parameters<
  typeof openMeetingPlace
>[0]['process'];

async function until(condition: () => boolean): Promise<void> {
  await expect.poll(condition, { interval: 5 }).toBe(true);
}

/** Appends numbered entries one after another until stopped; each acknowledged exactly once. */
function startWriter(engine: Engine, name: string) {
  const acknowledged: string[] = [];
  let stopped = false;
  const running = (async () => {
    for (let n = 0; !stopped; n++) {
      const entry = `${name}-${n}`;
      const result = await engine.commit({ append: [{ log: 'l', entries: [{ data: bytes(entry) }] }] });
      if (result.status === 'done') acknowledged.push(entry);
      // A memory engine answers within the turn: without a break nothing else would run.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  const stop = async (): Promise<void> => {
    stopped = true;
    await running;
  };
  return { acknowledged, stop };
}

async function readAll(engine: Engine): Promise<string[]> {
  const found: string[] = [];
  for (let after = 0; ;) {
    const page = await engine.readLog('l', after, 1_000);
    if (page.entries.length === 0) return found;
    found.push(...page.entries.map((entry) => text(entry.data) as string));
    after = page.entries.at(-1)?.sequence as number;
  }
}

engineSuite({
  name: 'shared, as a client',
  async open() {
    const shared = machine();
    const owner = await shared.open('owner', 'host');
    const engine = await shared.open('one');
    let clients = 0;
    const reopen = (): Promise<SharedEngine> => shared.open(`client${++clients}`);
    return {
      engine,
      second: reopen,
      async reopen() {
        await engine.close();
        return reopen();
      },
      async crash() {
        shared.network.kill('owner');
        shared.memory.crash();
        void owner;
        return reopen();
      },
      destroy: shared.close,
    };
  },
});

describe('a process whose connection to the owner breaks', () => {
  const trap = { path: '/trap' };
  /** The network of a process whose first connections, so many, are broken by whom they reach. */
  const breaking = (count: number) => {
    const made = { connections: 0 };
    const through = (own: Network): Network => ({
      ...own,
      connect: (address) => own.connect(++made.connections > count ? address : trap),
    });
    return { made, through };
  };
  const trapped = async (): Promise<ReturnType<typeof machine>> => {
    const shared = machine();
    await shared.network.node('trap').listen(trap, (connection) => connection.destroy());
    return shared;
  };

  it('looks again before it takes over, and finds the owner', async () => {
    const shared = await trapped();
    const owner = await shared.open('owner', 'host');
    const { made, through } = breaking(2);
    const second = await shared.open('second', 'sidecar', through);
    expect([second.owner, owner.owner, shared.memory.epoch(), made.connections]).toEqual([false, true, 1, 3]);
    await done(second, { put: [{ key: 'a', value: bytes('1') }] });
    expect(text((await owner.get('a'))?.value)).toBe('1');
    await shared.close();
  });

  it('takes over in the end when it never gets through, and at once from an owner that is gone', async () => {
    const shared = await trapped();
    const owner = await shared.open('owner', 'host');
    const { made, through } = breaking(1_000);
    const second = await shared.open('second', 'sidecar', through);
    expect([second.owner, shared.memory.epoch(), made.connections]).toEqual([true, 2, 6]);
    await until(() => !owner.owner);
    shared.network.kill('second');
    shared.network.kill('owner');
    const looks = breaking(0);
    const third = await shared.open('third', 'sidecar', looks.through);
    expect([third.owner, shared.memory.epoch(), looks.made.connections]).toEqual([true, 3, 1]);
    await third.close();
  });
});

describe('shared engine', () => {
  it('has one owner, and clients that see what it sees', async () => {
    const { open, close } = machine();
    const engines = await Promise.all(['a', 'b', 'c', 'd'].map((name) => open(name)));
    expect(engines.filter((engine) => engine.owner)).toHaveLength(1);
    expect(new Set(engines.map((engine) => engine.epoch)).size).toBe(1);
    await Promise.all(engines.map((engine, i) => done(engine, { put: [{ key: `k${i}`, value: bytes(String(i)) }] })));
    for (const engine of engines) expect((await engine.range({ from: 'k', to: 'l' })).entries).toHaveLength(4);
    await close();
  });

  it('survives owners that die one after the other: nothing acknowledged is lost, nothing is applied twice', async () => {
    const { open, network, memory, close } = machine();
    const engines = await Promise.all(['a', 'b', 'c', 'd'].map((name) => open(name)));
    const survivors = engines.slice();
    const writers = engines.map((engine, i) => startWriter(engine, `w${i}`));
    for (let round = 0; round < 2; round++) {
      const counts = writers.map((writer) => writer.acknowledged.length);
      const at = survivors.findIndex((engine) => engine.owner);
      const name = ['a', 'b', 'c', 'd'][engines.indexOf(survivors[at] as SharedEngine)] as string;
      network.kill(name);
      memory.crash();
      // The dead process does nothing more.
      const dead = survivors.splice(at, 1)[0] as SharedEngine;
      const deadWriter = writers[engines.indexOf(dead)];
      void deadWriter?.stop().catch(() => {});
      await dead.close();
      await until(() =>
        survivors.every(
          (engine) => (writers[engines.indexOf(engine)]?.acknowledged.length ?? 0) > (counts[engines.indexOf(engine)] as number) + 5,
        ),
      );
      expect(survivors.filter((engine) => engine.owner)).toHaveLength(1);
    }
    await Promise.all(survivors.map(async (engine) => writers[engines.indexOf(engine)]?.stop()));
    const found = await readAll(survivors[0] as SharedEngine);
    expect(new Set(found).size).toBe(found.length);
    for (const writer of writers) expect(writer.acknowledged.every((entry) => found.includes(entry))).toBe(true);
    await close();
  });

  it('replaces an owner that is silent; it finds out by itself and becomes a client', async () => {
    const { open, network, close } = machine();
    const old = await open('old', 'host');
    const next = await open('next');
    const writer = startWriter(next, 'w');
    await until(() => writer.acknowledged.length > 3);
    network.freeze('old');
    await until(() => next.owner);
    network.thaw('old');
    await until(() => !old.owner && old.epoch === next.epoch);
    const result = await done(old, { append: [{ log: 'l', entries: [{ data: bytes('from old') }] }] });
    expect(result.sequences[0]).toBeGreaterThan(3);
    await writer.stop();
    const found = await readAll(old);
    expect(new Set(found).size).toBe(found.length);
    expect(writer.acknowledged.every((entry) => found.includes(entry))).toBe(true);
    await close();
  });

  it('hands over when the owner closes, to a host rather than to others', async () => {
    const { open, close } = machine();
    const first = await open('first', 'client');
    const rest = [await open('inproc', 'client'), await open('sidecar', 'sidecar'), await open('host', 'host')];
    const writer = startWriter(rest[0] as SharedEngine, 'w');
    await until(() => writer.acknowledged.length > 3);
    await first.close();
    await until(() => rest.some((engine) => engine.owner));
    expect(rest.map((engine) => engine.owner)).toEqual([false, false, true]);
    const count = writer.acknowledged.length;
    await until(() => writer.acknowledged.length > count + 3);
    await writer.stop();
    await close();
  });

  it('stays with an owner that is alive when only the connection broke', async () => {
    const { open, network, memory, close } = machine();
    await open('owner');
    const client = await open('client', 'host');
    for (let i = 0; i < 3; i++) {
      const commit = done(client, { put: [{ key: 'a', value: bytes(String(i)) }] });
      network.reset('client');
      await commit;
    }
    expect([client.owner, memory.epoch()]).toEqual([false, 1]);
    await close();
  });

  it('acknowledges nothing after a crash while a client that has not noticed may answer from what it keeps', async () => {
    const { open, network, close } = machine(3, { silenceMs: 2_000, process: { ...processStub, alive: () => false } });
    await open('owner', 'host');
    const [reader, next] = [await open('reader'), await open('next', 'host')];
    await done(next, { put: [{ key: 'k', value: bytes('old') }] });
    while (reader.peek?.('k') === undefined) expect(await readHot(reader, 'k')).toBe('old');
    // Its connection is gone, but only the other client hears of it.
    network.kill('owner', true);
    network.reset('next');
    await done(next, { put: [{ key: 'k', value: bytes('new') }] });
    expect(next.owner).toBe(true);
    expect(reader.peek?.('k')).toBeUndefined();
    expect(await readHot(reader, 'k')).toBe('new');
    await close();
  });

  it('closes only when no client answers from what it keeps any more', async () => {
    const { open, network, close } = machine(3, { silenceMs: 2_000 });
    const [owner, reader, next] = [await open('owner', 'host'), await open('reader'), await open('next', 'host')];
    await done(next, { put: [{ key: 'k', value: bytes('old') }] });
    while (reader.peek?.('k') === undefined) expect(await readHot(reader, 'k')).toBe('old');
    network.freeze('reader');
    const closed = owner.close();
    await done(next, { put: [{ key: 'k', value: bytes('new') }] });
    expect(reader.peek?.('k')).toBeUndefined();
    await closed;
    network.thaw('reader');
    expect(await readHot(reader, 'k')).toBe('new');
    await close();
  });

  it('takes a lease at the next seat when the store was lost while it was taken', async () => {
    const { open, memory, close } = machine();
    const lost = new ProaError('engine.outcome-unknown', 'lost', { cause: new ProaError('engine.unavailable', 'replaced') });
    const full = new ProaError('engine.outcome-unknown', 'lost', { cause: new ProaError('engine.read-only', 'no space') });
    const engine = await open('one', 'host');
    memory.failLease(lost);
    expect(await engine.acquireLease('l', 'me', 1_000)).toMatchObject({ held: true });
    expect(memory.epoch()).toBe(2);
    // A full disk is no reason to leave.
    memory.failLease(full);
    await expect(engine.acquireLease('l', 'me', 1_000)).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
    expect(memory.epoch()).toBe(2);
    await close();
  });

  it('keeps watches across owners', async () => {
    const { open, network, memory, close } = machine();
    const owner = await open('owner', 'host');
    const client = await open('client');
    let seen = 0;
    client.watch('w/', () => seen++);
    client.onAppend('l', () => seen++);
    await done(owner, { put: [{ key: 'w/1', value: bytes('1') }] });
    await until(() => seen > 0);
    network.kill('owner');
    memory.crash();
    await owner.close();
    await until(() => client.owner);
    const before = seen;
    const other = await open('other');
    await done(other, { put: [{ key: 'w/2', value: bytes('1') }] });
    await until(() => seen > before);
    await close();
  });

  it.each([11, 12, 13, 14])('keeps its promises through resets, freezes and partitions (seed %i)', async (seed) => {
    // Shorter than the faults.
    const { open, network, close } = machine(seed, { silenceMs: 200 });
    const names = ['a', 'b', 'c'];
    const engines = await Promise.all(names.map((name) => open(name)));
    const writers = engines.map((engine, i) => startWriter(engine, `w${i}`));
    let state = seed;
    const pick = (count: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 16) % count;
    };
    for (let step = 0; step < 8; step++) {
      const name = names[pick(3)] as string;
      const other = names[pick(3)] as string;
      const fault = pick(3);
      if (fault === 0) network.reset(name);
      else if (fault === 1) network.freeze(name);
      else if (name !== other) network.partition(name, other);
      await new Promise((resolve) => setTimeout(resolve, 20 + pick(300)));
      network.thaw(name);
      network.heal();
    }
    const counts = writers.map((writer) => writer.acknowledged.length);
    await until(() => writers.every((writer, i) => writer.acknowledged.length > (counts[i] as number) + 5));
    await Promise.all(writers.map((writer) => writer.stop()));
    const found = await readAll(engines[0] as SharedEngine);
    expect(new Set(found).size).toBe(found.length);
    for (const writer of writers) expect(writer.acknowledged.filter((entry) => !found.includes(entry))).toEqual([]);
    await close();
  });

  it('repeats a commit of its own process at the next seat with the bytes that were given, whatever became of the buffers', async () => {
    const { open, memory, close } = machine();
    const engine = await open('owner', 'host');
    expect(engine.owner).toBe(true);
    const value = Buffer.from('before');
    const data = Buffer.from('before');
    memory.crash();
    const committing = done(engine, { put: [{ key: 'a', value }], append: [{ log: 'l', entries: [{ data }] }] });
    value.fill(120);
    data.fill(120);
    await committing;
    expect([text((await engine.get('a'))?.value), await readAll(engine)]).toEqual(['before', ['before']]);
    expect(memory.epoch()).toBe(2);
    await close();
  });

  it('gives up at its deadline when nobody can open the store, and closes at any time', async () => {
    const { network } = machine();
    const meeting = await openMeetingPlace({ disk: createMemoryDisk(), random, process: processStub }, '/data');
    const ports = { clock: nodeClock, random, network: network.node('a') };
    let broken = false;
    const memory = createMemoryStore();
    const store: OwnedStore = {
      ...memory.store,
      open: (seen, claimed) => (broken ? Promise.reject(new Error('disk on fire')) : memory.store.open(seen, claimed)),
    };
    const engine = await shareEngine({ ports, store, meeting, role: 'host', name: 'a', silenceMs: 200, deadlineMs: 300 });
    broken = true;
    memory.crash();
    await expect(engine.get('a')).rejects.toMatchObject({ code: 'engine.unavailable' });
    const waiting = engine.get('a').catch((error: unknown) => error);
    await engine.close();
    expect(await waiting).toMatchObject({ code: 'engine.unavailable' });
    await expect(shareEngine({ ports, store, meeting, role: 'host', name: 'a' })).rejects.toThrow('disk on fire');
  });
});

describe('meeting place', () => {
  it('refuses network file systems', async () => {
    const disk = { ...createMemoryDisk(), space: async () => ({ freeBytes: 1, fileSystem: 'nfs4' }) };
    await expect(openMeetingPlace({ disk, random, process: processStub }, '/data')).rejects.toMatchObject({ code: 'config.invalid' });
  });

  it('says what to do about a directory that cannot be written', async () => {
    const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' });
    const disk = { ...createMemoryDisk(), makeDirectory: () => Promise.reject(denied) };
    const opening = openMeetingPlace({ disk, random, process: processStub }, '/data');
    await expect(opening).rejects.toMatchObject({ code: 'component.init-failed', hint: expect.stringContaining('/data') as unknown });
  });

  it('puts the socket of a long directory under the temporary one, where its notice leads', async () => {
    const directory = `/${'d'.repeat(120)}`;
    const meeting = await openMeetingPlace({ disk: createMemoryDisk(), random, process: processStub }, directory);
    const address = await meeting.place(7);
    expect(address).toMatchObject({ path: expect.stringMatching(/^\/tmp\/proa-[0-9a-f]{12}-[0-9a-f]{12}\/7\.sock$/) as unknown });
    expect(await meeting.find(7)).toBeUndefined();
    await meeting.publish(7, address);
    expect(await meeting.find(7)).toEqual(address);
    await meeting.publish(8, { path: '/tmp/8.sock' });
    expect([await meeting.olderLives(7), await meeting.olderLives(8)]).toEqual([false, true]);
    expect(await meeting.olderGranted(8)).toBe(false);
    await meeting.granting(7);
    expect([await meeting.find(7), await meeting.olderGranted(7), await meeting.olderGranted(8)]).toEqual([address, false, true]);
    await meeting.forgetOlder(8);
    expect(await meeting.olderGranted(8)).toBe(false);
    expect([await meeting.find(7), await meeting.find(8)]).toEqual([undefined, { path: '/tmp/8.sock' }]);
    await meeting.retract(8);
    expect(await meeting.find(8)).toBe('left');
    const long = { pid: 1, temporaryDirectory: () => directory } as unknown as typeof processStub;
    const nowhere = await openMeetingPlace({ disk: createMemoryDisk(), random, process: long }, directory);
    await expect(nowhere.place(1)).rejects.toMatchObject({ code: 'config.invalid' });
  });
});
