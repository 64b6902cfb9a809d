import { describe, expect, it } from 'vitest';
import { actorsRig, ttlMs } from '../../../test/fixtures/actors-rig.ts';
import { gate } from '../../../test/fixtures/gate.ts';
import type { ActorTypeConfig } from '../../contracts/actor-host.ts';
import { MemoryStore } from '../../drivers/state-memory/memory-store.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { derive } from '../../kernel/call.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { callOf, type ActorsRuntime } from '../../testing/actors-rig.ts';
import { actorStateSuite } from '../../testing/actor-state-suite.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { actorDefaults, type ActorsBlock } from './index.ts';

const random = createNodeRandom();
type Runtime = ActorsRuntime<ActorsBlock>;

const host = (runtime: Runtime, config: Partial<ActorTypeConfig> = {}) =>
  runtime.block.serve([{ ...actorDefaults, ...config, type: 'Cart' }], runtime.host);

async function invoke({ block }: Pick<Runtime, 'block'>, id: string, method = 'get', headers: string[] = []): Promise<string> {
  const input = { type: 'Cart', id, method, httpMethod: 'POST', query: '', headers, data: new Uint8Array(0) };
  return Buffer.from((await block.invoke(callOf(input))).data).toString();
}

const save = ({ block }: Runtime, id: string, value: string, etag?: string) =>
  block.transact(
    callOf({
      type: 'Cart',
      id,
      operations: [
        { kind: 'upsert' as const, key: 'total', value: Buffer.from(value), metadata: {}, ...(etag === undefined ? {} : { etag }) },
      ],
    }),
  );
const load = async ({ block }: Runtime, id: string): Promise<string | undefined> => {
  const value = await block.getState(callOf({ type: 'Cart', id, key: 'total' }));
  return value && Buffer.from(value.data).toString();
};

describe('a turn', () => {
  it('is one at a time per actor, in order, while other actors go on', async () => {
    const a = actorsRig().runtime('a');
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'done'));
    const slow = invoke(a, 'x', 'slow');
    const waiting = [invoke(a, 'x', 'one'), invoke(a, 'x', 'two')];
    expect(await invoke(a, 'y', 'other')).toBe('a:y');
    expect(a.host.log).toEqual(['slow x', 'other y']);
    door.open();
    await Promise.all([slow, ...waiting]);
    expect(a.host.log).toEqual(['slow x', 'other y', 'one x', 'two x']);
  });

  it('that nobody waits for any more still keeps the next one out until the app has answered', async () => {
    const rig = actorsRig();
    const a = rig.runtime('a');
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'done'));
    const cancel = new CancelScope();
    const input = { type: 'Cart', id: 'x', method: 'slow', httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) };
    const given = a.block.invoke(derive(callOf(input), { cancel }));
    await rig.settle();
    cancel.cancel(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    const next = invoke(a, 'x', 'next');
    await rig.settle();
    expect(a.host.log).toEqual(['slow x']);
    door.open();
    await next;
    expect(a.host.log).toEqual(['slow x', 'next x']);
  });

  it('lets a call that waits give up', async () => {
    const rig = actorsRig();
    const a = rig.runtime('a');
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'done'));
    const slow = invoke(a, 'x', 'slow');
    const cancel = new CancelScope();
    const input = { type: 'Cart', id: 'x', method: 'never', httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) };
    const given = a.block.invoke(derive(callOf(input), { cancel }));
    await rig.settle();
    cancel.cancel(new Error('gone'));
    await expect(given).rejects.toThrow('gone');
    door.open();
    await slow;
    await invoke(a, 'x', 'next');
    expect(a.host.log).toEqual(['slow x', 'next x']);
  });

  it('takes the calls of its own chain in, up to the depth, and no others', async () => {
    const a = actorsRig().runtime('a');
    await host(a, { reentrancy: { enabled: true, stackDepthMax: 3 } });
    a.host.methods.set('again', async ({ headers }) => {
      const id = headers[headers.indexOf('dapr-reentrancy-id') + 1] as string;
      return `(${await invoke(a, 'x', 'again', ['dapr-reentrancy-id', id]).catch((error: { code: string }) => error.code)})`;
    });
    expect(await invoke(a, 'x', 'again')).toBe('(((actor.stack-depth)))');
    expect(await invoke(a, 'x')).toBe('a:x');
  });

  it('is refused when too many wait', async () => {
    const a = actorsRig().runtime('a');
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'done'));
    const calls = Array.from({ length: 1_002 }, () => invoke(a, 'x', 'slow'));
    const refused = await Promise.race(calls).catch((error: { code: string }) => error.code);
    expect(refused).toBe('actor.busy');
    door.open();
    expect((await Promise.allSettled(calls)).filter(({ status }) => status === 'rejected')).toHaveLength(1);
  });
});

describe('a call', () => {
  it('reaches the actor wherever it is hosted, from hosts and from others', async () => {
    const rig = actorsRig();
    const [a, b, c] = [rig.runtime('a'), rig.runtime('b'), rig.runtime('c')];
    await host(a);
    await host(b);
    await rig.pass(100);
    const ids = Array.from({ length: 20 }, (_, i) => `cart-${i}`);
    const seen = await Promise.all([a, b, c].map((from) => Promise.all(ids.map((id) => invoke(from, id)))));
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[0]).toEqual(seen[2]);
    expect(new Set(seen[0]?.map((text) => text.split(':')[0]))).toEqual(new Set(['a', 'b']));
  });

  it('waits while a killed runtime is taken over, and fails when nobody hosts the type', async () => {
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await host(a);
    await host(b);
    await rig.pass(100);
    const ids = Array.from({ length: 20 }, (_, i) => `cart-${i}`);
    await Promise.all(ids.map((id) => invoke(b, id)));
    a.process.frozen = true;
    a.process.down = true;
    const calls = Promise.all(ids.map((id) => invoke(b, id)));
    await rig.pass(5_000);
    expect(await calls).toEqual(ids.map((id) => `b:${id}`));
    b.process.frozen = true;
    b.process.down = true;
    const c = rig.runtime('c');
    const lost = invoke(c, 'cart-1').catch((error: { code: string }) => error.code);
    await rig.pass(9_000);
    expect(await lost).toBe('actor.no-address');
  });

  it.each([
    ['Cart', 'a/b', 'bad-request'],
    ['Cart', '..', 'bad-request'],
    ['Cart', 'a||b', 'bad-request'],
    ['Cart', 'x'.repeat(257), 'bad-request'],
    ['', 'a', 'bad-request'],
    ['dapr.internal.x', 'a', 'actor.reserved'],
  ])('of type %j and id %j is refused', async (type, id, code) => {
    const { block } = actorsRig().runtime('a');
    const input = { type, id, method: 'm', httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) };
    await expect(block.invoke(callOf(input))).rejects.toMatchObject({ code });
  });
});

for (const [name, openStore] of [
  ['on the engine', undefined],
  ['in a store of its own', () => new MemoryStore({ name: 'memory', bytesMax: 1e6, clock: createFakeClock(), random })],
] as const)
  actorStateSuite({ name, createRig: actorsRig, ttlMs, defaults: actorDefaults, ...(openStore === undefined ? {} : { openStore }) });

describe('a former turn', () => {
  it('that is still under way keeps the actor from coming back to the same runtime, and can write nothing under the new ownership', async () => {
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'too late'));
    await invoke(a, 'x');
    const slow = invoke(a, 'x', 'slow').catch((error: { code: string }) => error.code);
    await rig.settle();
    a.process.frozen = true;
    const hosted = host(b);
    await rig.pass(2 * ttlMs);
    await invoke(b, 'x');
    await save(b, 'x', '1');
    a.process.frozen = false;
    await rig.pass(ttlMs);
    const leaving = (await hosted).close();
    await rig.pass(ttlMs);
    await leaving;
    // The actor is the first runtime's again, under a new epoch, while its old turn still runs.
    const next = invoke(a, 'x', 'next');
    await rig.settle();
    expect(a.host.log).not.toContain('next x');
    await expect(save(a, 'x', '99')).rejects.toMatchObject({ code: 'actor.overlap' });
    door.open();
    expect(await slow).toBe('actor.overlap');
    await next;
    expect(a.host.log.slice(-2)).toEqual(['deactivate x', 'next x']);
    expect(await load(a, 'x')).toBe('1');
  });
});

describe('an actor', () => {
  it('goes when it is idle, and not before', async () => {
    const rig = actorsRig();
    const a = rig.runtime('a');
    await host(a, { idleTimeoutMs: 10_000, scanIntervalMs: 1_000 });
    await invoke(a, 'x');
    await rig.pass(9_500);
    await invoke(a, 'y');
    expect(a.host.log).not.toContain('deactivate x');
    await rig.pass(2_000);
    expect(a.host.log).toContain('deactivate x');
    expect(a.host.log).not.toContain('deactivate y');
    expect(a.block.active().types).toMatchObject([{ type: 'Cart', count: 1 }]);
    expect(a.counts.get('dapr_runtime_actor_deactivated_total actor_type=Cart')).toBe(1);
  });

  it('is deactivated before it moves, after its turn, and what waits for it goes along', async () => {
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await host(a);
    const ids = Array.from({ length: 12 }, (_, i) => `cart-${i}`);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'finished'));
    const slow = ids.map((id) => invoke(a, id, 'slow'));
    await rig.settle();
    const waiting = ids.map((id) => invoke(a, id));
    const joining = host(b);
    await rig.pass(500);
    door.open();
    await rig.pass(1_500);
    await joining;
    expect(await Promise.all(slow)).toEqual(ids.map(() => 'finished'));
    const homes = await Promise.all(waiting);
    const moved = homes.filter((text) => text.startsWith('b:')).map((text) => text.slice(2));
    expect(moved.length).toBeGreaterThan(0);
    for (const id of moved) expect(a.host.log).toContain(`deactivate ${id}`);
    expect(a.counts.get('proa_actor_overlaps_total actor_type=Cart')).toBeUndefined();
  });

  it('that does not end its turn in time moves all the same, and its answer is refused', async () => {
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await host(a, { drainMs: 1_000 });
    const ids = Array.from({ length: 12 }, (_, i) => `cart-${i}`);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'finished'));
    const slow = Promise.allSettled(ids.map((id) => invoke(a, id, 'slow')));
    await rig.settle();
    const joining = host(b);
    await rig.pass(4_000);
    await joining;
    door.open();
    const ends = await slow;
    const moved = ids.filter((_, i) => ends[i]?.status === 'rejected');
    expect(moved.length).toBeGreaterThan(0);
    for (const end of ends) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'actor.overlap' });
    expect(await Promise.all(moved.map((id) => invoke(b, id)))).toEqual(moved.map((id) => `b:${id}`));
  });

  it('is taken out of memory when somebody asks for it', async () => {
    const a = actorsRig().runtime('a');
    await host(a);
    await invoke(a, 'x');
    await a.block.deactivate(callOf({ type: 'Cart', id: 'x' }));
    expect(a.host.log).toEqual(['get x', 'deactivate x']);
    await expect(a.block.deactivate(callOf({ type: 'Cart', id: 'x' }))).rejects.toMatchObject({ code: 'actor.not-active' });
  });

  it('of a type that is hosted already is not hosted twice, and none after the end', async () => {
    const a = actorsRig().runtime('a');
    await host(a);
    await expect(host(a)).rejects.toMatchObject({ code: 'bad-request' });
    await invoke(a, 'x');
    await a.block.close();
    expect(a.host.log).toEqual(['get x', 'deactivate x']);
    await expect(invoke(a, 'x')).rejects.toMatchObject({ code: 'actor.closed' });
  });
});
