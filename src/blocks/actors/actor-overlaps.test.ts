import { describe, expect, it } from 'vitest';
import { actorsRig, ttlMs } from '../../../test/fixtures/actors-rig.ts';
import { gate } from '../../../test/fixtures/gate.ts';
import type { ActorTypeConfig } from '../../contracts/actor-host.ts';
import { derive } from '../../kernel/call.ts';
import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { callOf, type ActorsRuntime } from '../../testing/actors-rig.ts';
import { settle } from '../../testing/test-process.ts';
import { actorDefaults, type ActorsBlock } from './index.ts';

type Runtime = ActorsRuntime<ActorsBlock>;

const host = (runtime: Runtime, config: Partial<ActorTypeConfig> = {}) =>
  runtime.block.serve([{ ...actorDefaults, ...config, type: 'Cart' }], runtime.host);

const input = (id: string, method: string, headers: string[] = []) => ({
  type: 'Cart',
  id,
  method,
  httpMethod: 'POST',
  query: '',
  headers,
  data: new Uint8Array(0),
});

async function invoke({ block }: Runtime, id: string, method = 'get', headers: string[] = []): Promise<string> {
  return Buffer.from((await block.invoke(callOf(input(id, method, headers)))).data).toString();
}

const codeOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: { code: string }) => error.code);
const overlaps = ({ counts }: Runtime): number => counts.get('proa_actor_overlaps_total actor_type=Cart') ?? 0;

/** A runtime whose actor x is in a turn that waits at the door, and which then stands still until another has taken its actors. */
async function overtaken(method: (door: Promise<void>) => Promise<string>, config: Partial<ActorTypeConfig> = {}) {
  const rig = actorsRig();
  const [a, b] = [rig.runtime('a'), rig.runtime('b')];
  await host(a, config);
  const door = gate();
  a.host.methods.set('slow', () => method(door.wait));
  await invoke(a, 'x');
  const freeze = async (): Promise<void> => {
    a.process.frozen = true;
    const taken = host(b, config);
    await rig.pass(2 * ttlMs);
    await taken;
    expect(await invoke(b, 'x')).toBe('b:x');
  };
  return { rig, a, b, door, freeze };
}

describe('a turn that a freeze overtook', () => {
  it('fails as overtaken also when its code failed: what it says comes from a state that is no more', async () => {
    const { a, door, freeze } = await overtaken(async (wait) => {
      await wait;
      throw new ProaError('actor.invoke', 'the balance is 7');
    });
    const slow = codeOf(invoke(a, 'x', 'slow'));
    await settle();
    await freeze();
    door.open();
    expect(await slow).toBe('actor.overlap');
    expect(overlaps(a)).toBe(1);
  });

  it('keeps the failure of its code when nobody took the actor over', async () => {
    const { rig, a, door } = await overtaken(async (wait) => {
      await wait;
      throw new ProaError('actor.invoke', 'the balance is 7');
    });
    const slow = invoke(a, 'x', 'slow').catch((error: Error) => error.message);
    await settle();
    a.process.frozen = true;
    await rig.pass(2 * ttlMs);
    door.open();
    expect(await slow).toBe('the balance is 7');
    expect(overlaps(a)).toBe(0);
  });

  it('is counted also when its caller has given up, and fails nobody else', async () => {
    const { a, door, freeze } = await overtaken(async (wait) => (await wait, 'too late'));
    const cancel = new CancelScope();
    const slow = a.block.invoke(derive(callOf(input('x', 'slow')), { cancel }));
    await settle();
    cancel.cancel(new Error('gone'));
    await expect(slow).rejects.toThrow('gone');
    await freeze();
    door.open();
    await settle();
    expect(overlaps(a)).toBe(1);
  });

  it('does not let in what waited for it: that goes to the new owner', async () => {
    const { rig, a, door, freeze } = await overtaken(async (wait) => (await wait, 'too late'));
    const slow = codeOf(invoke(a, 'x', 'slow'));
    const waiting = invoke(a, 'x', 'waited');
    await settle();
    await freeze();
    // The turn ends before the runtime has noticed anything but its clock.
    door.open();
    await settle();
    expect(await slow).toBe('actor.overlap');
    expect(a.host.log).not.toContain('waited x');
    a.process.frozen = false;
    await rig.pass(ttlMs);
    expect(await waiting).toBe('b:x');
  });

  it('sends the calls that come back to it to the new owner, and its own answer is refused', async () => {
    const reentrancy = { enabled: true, stackDepthMax: 8 };
    const chain = ['dapr-reentrancy-id', 'chain'];
    const { rig, a, door, freeze } = await overtaken(async () => '', { reentrancy });
    let nested: Promise<string> | undefined;
    a.host.methods.set('slow', async () => {
      await door.wait;
      nested = invoke(a, 'x', 'inner', chain);
      return nested;
    });
    const slow = codeOf(invoke(a, 'x', 'slow', chain));
    await settle();
    await freeze();
    door.open();
    await rig.pass(500);
    expect(await nested).toBe('b:x');
    expect(await slow).toBe('actor.overlap');
    expect(a.host.log).not.toContain('inner x');
  });

  it('does not wait for itself when the actor is back meanwhile: the calls that come back to it are refused, so that it ends', async () => {
    const reentrancy = { enabled: true, stackDepthMax: 8 };
    const chain = ['dapr-reentrancy-id', 'chain'];
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    await host(a, { reentrancy });
    const door = gate();
    let nested: unknown;
    a.host.methods.set('slow', async () => {
      await door.wait;
      nested = await codeOf(invoke(a, 'x', 'inner', chain));
      return 'too late';
    });
    const slow = codeOf(invoke(a, 'x', 'slow', chain));
    await settle();
    a.process.frozen = true;
    const hosted = host(b, { reentrancy });
    await rig.pass(2 * ttlMs);
    expect(await invoke(b, 'x')).toBe('b:x');
    a.process.frozen = false;
    await rig.pass(ttlMs);
    const leaving = (await hosted).close();
    await rig.pass(ttlMs);
    await leaving;
    door.open();
    expect(await slow).toBe('actor.overlap');
    expect(nested).toBe('actor.overlap');
    expect(overlaps(a)).toBe(1);
    expect(a.host.log).not.toContain('inner x');
    expect(await invoke(a, 'x')).toBe('a:x');
  });

  it('begins nothing between the end of the freeze and the moment when the runtime has noticed', async () => {
    const { rig, a, freeze } = await overtaken(async (wait) => (await wait, 'too late'));
    await freeze();
    // The actor is still in memory, its shard still in the book, and no timer has run yet.
    const call = invoke(a, 'x', 'late');
    await settle();
    expect(a.host.log).not.toContain('late x');
    a.process.frozen = false;
    await rig.pass(ttlMs);
    expect(await call).toBe('b:x');
  });

  it('removes no reminder of the new owner', async () => {
    const { a, b, door, freeze } = await overtaken(async (wait) => (await wait, 'too late'));
    const slow = codeOf(invoke(a, 'x', 'slow'));
    await settle();
    await freeze();
    const named = { type: 'Cart', id: 'x', name: 'r' };
    await b.block.registerReminder(callOf({ ...named, dueTime: '1h' }));
    expect(await codeOf(a.block.unregisterReminder(callOf(named)))).toBe('actor.overlap');
    expect(await codeOf(a.block.unregisterReminders(callOf({ type: 'Cart', id: 'x' })))).toBe('actor.overlap');
    expect(await codeOf(a.block.registerReminder(callOf({ ...named, dueTime: '2h' })))).toBe('actor.overlap');
    expect(await b.block.getReminder(callOf(named))).toMatchObject({ dueTime: '1h' });
    door.open();
    await slow;
    // One turn, whatever it tried.
    expect(overlaps(a)).toBe(1);
    // Outside of turns whoever hosts the type may remove it.
    await b.block.unregisterReminder(callOf(named));
    expect(await codeOf(b.block.getReminder(callOf(named)))).toBe('actor.reminder-not-found');
  });
});

describe('a turn that fails', () => {
  it.each(['invoke.unreachable', 'actor.moved'] as const)(
    'with what a call of its own failed with (%s) is not made again',
    async (code) => {
      const rig = actorsRig();
      const [a, b] = [rig.runtime('a'), rig.runtime('b')];
      await host(a);
      a.host.methods.set('calls', () => Promise.reject(new ProaError(code, 'the bank is not there')));
      for (const from of [a, b]) {
        a.host.log.length = 0;
        const failed = invoke(from, 'x', 'calls').catch((error: ProaError) => [error.code, error.message]);
        await rig.pass(10_000);
        expect(await failed).toEqual(['actor.invoke', 'the bank is not there']);
        expect(a.host.log).toEqual(['calls x']);
      }
    },
  );
});

describe('an actor that goes', () => {
  it('while a turn is under way lets the calls of its own chain in, so that the turn can end', async () => {
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    const reentrancy = { enabled: true, stackDepthMax: 8 };
    await host(a, { reentrancy, drainMs: 20_000 });
    const ids = Array.from({ length: 12 }, (_, i) => `cart-${i}`);
    const door = gate();
    a.host.methods.set('outer', async ({ id, headers }) => {
      await door.wait;
      return `outer of ${await invoke(a, id, 'inner', [...headers])}`;
    });
    const outer = Promise.all(ids.map((id) => invoke(a, id, 'outer')));
    await settle();
    const joining = host(b, { reentrancy });
    await rig.pass(200);
    door.open();
    await rig.pass(200);
    expect(await outer).toEqual(ids.map((id) => `outer of a:${id}`));
    await joining;
    await rig.pass(1_000);
    const homes = await Promise.all(ids.map((id) => invoke(b, id)));
    expect(homes.some((home) => home.startsWith('b:'))).toBe(true);
    expect(overlaps(a)).toBe(0);
  });

  it('goes after its turn and before what waits for it, however much that is', async () => {
    const rig = actorsRig();
    const a = rig.runtime('a');
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'done'));
    const calls = Array.from({ length: 1_001 }, (_, i) => invoke(a, 'x', i === 0 ? 'slow' : 'next'));
    await settle();
    expect(await codeOf(invoke(a, 'x', 'one more'))).toBe('actor.busy');
    const going = a.block.deactivate(callOf({ type: 'Cart', id: 'x' }));
    const again = a.block.deactivate(callOf({ type: 'Cart', id: 'x' }));
    door.open();
    await Promise.all([going, again, ...calls]);
    expect(a.host.log.slice(0, 3)).toEqual(['slow x', 'deactivate x', 'next x']);
    expect(a.host.log.filter((line) => line.startsWith('deactivate'))).toHaveLength(1);
    expect(a.host.log).toHaveLength(1_002);
  });

  it('takes its timers along, also one that waits for its turn', async () => {
    const rig = actorsRig();
    const a = rig.runtime('a');
    await host(a);
    const door = gate();
    a.host.methods.set('slow', async () => (await door.wait, 'done'));
    await invoke(a, 'x');
    await a.block.registerTimer(callOf({ type: 'Cart', id: 'x', name: 't', dueTime: '1s', period: '1s' }));
    const slow = invoke(a, 'x', 'slow');
    await rig.pass(1_500);
    const going = a.block.deactivate(callOf({ type: 'Cart', id: 'x' }));
    door.open();
    await Promise.all([slow, going]);
    await rig.pass(5_000);
    expect(a.host.log).toEqual(['get x', 'slow x', 'deactivate x']);
    expect(a.counts.get('dapr_runtime_actor_timers actor_type=Cart')).toBe(0);
    expect(Array.from(a.counts).filter(([name]) => name.includes('timers_fired'))).toEqual([]);
  });
});
