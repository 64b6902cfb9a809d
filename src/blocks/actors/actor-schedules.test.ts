import { describe, expect, it } from 'vitest';
import { actorsRig, ttlMs } from '../../../test/fixtures/actors-rig.ts';
import { memoryStage } from '../../../test/fixtures/durable-stages.ts';
import type { ActorTypeConfig } from '../../contracts/actor-host.ts';
import { ProaError } from '../../kernel/errors.ts';
import { untuple } from '../../kernel/tuple.ts';
import { callOf, type ActorsRig, type ActorsRuntime } from '../../testing/actors-rig.ts';
import { actorDefaults, type ActorsBlock, type ReminderRequest, type TimerRequest } from './index.ts';

type Runtime = ActorsRuntime<ActorsBlock>;

async function hosted(rig: ActorsRig<ActorsBlock>, name: string, config: Partial<ActorTypeConfig> = {}): Promise<Runtime> {
  const runtime = rig.runtime(name);
  await runtime.block.serve([{ ...actorDefaults, ...config, type: 'Cart' }], runtime.host);
  return runtime;
}

const invoke = ({ block }: Runtime, id: string) =>
  block.invoke(callOf({ type: 'Cart', id, method: 'get', httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) }));
const remind = ({ block }: Runtime, more: Partial<ReminderRequest>) =>
  block.registerReminder(callOf({ type: 'Cart', id: 'x', name: 'r', ...more }));
const time = ({ block }: Runtime, more: Partial<TimerRequest>) =>
  block.registerTimer(callOf({ type: 'Cart', id: 'x', name: 't', ...more }));
const due = (runtime: Runtime): string[] => runtime.host.log.filter((line) => line.startsWith('remind') || line.startsWith('timer'));

describe('a timer', () => {
  it('comes at its time and then by its period, until it is removed, with what it was given', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await invoke(a, 'x');
    await time(a, { dueTime: '1s', period: 'PT2S', callback: 'tick', data: '{"n":1}' });
    await rig.pass(900);
    expect(due(a)).toEqual([]);
    await rig.pass(4_200);
    expect(due(a)).toEqual(Array.from({ length: 3 }, () => 'timer x t tick {"n":1}'));
    await a.block.unregisterTimer(callOf({ type: 'Cart', id: 'x', name: 't' }));
    await rig.pass(5_000);
    expect(due(a)).toHaveLength(3);
    expect(a.counts.get('dapr_runtime_actor_timers actor_type=Cart')).toBe(0);
  });

  it('comes as often as it says, not after its end, and not when it asked not to', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await invoke(a, 'x');
    await time(a, { name: 'thrice', period: 'R3/PT1S' });
    await time(a, { name: 'short', dueTime: '1s', period: '1s', ttl: '1500ms' });
    await time(a, { name: 'once', dueTime: '1s' });
    await rig.pass(10_000);
    const count = (name: string): number => due(a).filter((line) => line.includes(name)).length;
    expect([count('thrice'), count('short'), count('once')]).toEqual([3, 2, 1]);
    a.host.onDue = () => true;
    await time(a, { name: 'shy', period: '1s' });
    await rig.pass(5_000);
    expect(count('shy')).toBe(1);
  });

  it('goes on after a failure, is replaced by its name, and ends with its actor', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await invoke(a, 'x');
    a.host.onDue = () => Promise.reject(new ProaError('actor.invoke', 'no'));
    await time(a, { period: '1s' });
    await rig.pass(2_500);
    expect(due(a)).toHaveLength(3);
    expect(a.counts.get('dapr_runtime_actor_timers_fired_total actor_type=Cart success=false')).toBe(3);
    await time(a, { dueTime: '1h' });
    await rig.pass(5_000);
    expect(due(a)).toHaveLength(3);
    await time(a, { period: '1s' });
    await a.block.deactivate(callOf({ type: 'Cart', id: 'x' }));
    await rig.pass(5_000);
    expect(due(a).length).toBeLessThan(5);
    expect(a.counts.get('dapr_runtime_actor_timers actor_type=Cart')).toBe(0);
  });

  it.each([
    { dueTime: 'soon' },
    { dueTime: '-1s' },
    { period: 'R0/PT1S' },
    { period: '0s' },
    { ttl: 'PT0.5S' },
    { dueTime: '10s', ttl: '2001-01-01T00:00:00Z' },
    { name: 'a/b' },
    { name: '' },
  ])('%j is refused', async (bad) => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await invoke(a, 'x');
    await expect(time(a, bad)).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('is for actors of this host, active or not: the app learns of it when it fires', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await time(a, { dueTime: '3h' });
    await rig.pass(2 * 3_600_000);
    expect(due(a)).toEqual([]);
    await rig.pass(3_700_000);
    expect(due(a)).toEqual(['timer x t']);
    await expect(time(a, { period: '1s', type: 'Unknown' })).rejects.toMatchObject({ code: 'actor.not-active' });
    await expect(a.block.unregisterTimer(callOf({ type: 'Cart', id: 'x', name: 't' }))).resolves.toBeUndefined();
  });
});

describe('a reminder', () => {
  it('wakes an actor that is not in memory, again and again, as often as it says', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await remind(a, { dueTime: '10s', period: 'R3/PT6S', data: '"rent"' });
    await rig.pass(9_500);
    expect(due(a)).toEqual([]);
    await rig.pass(1_500);
    expect(due(a)).toEqual(['remind x r "rent"']);
    await rig.pass(30_000);
    expect(due(a)).toHaveLength(3);
    await expect(a.block.getReminder(callOf({ type: 'Cart', id: 'x', name: 'r' }))).rejects.toMatchObject({
      code: 'actor.reminder-not-found',
    });
    expect(a.counts.get('dapr_runtime_actor_reminders_fired_total actor_type=Cart success=true')).toBe(3);
  });

  it('is read as it was registered, listed, replaced, and removed', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await remind(a, { dueTime: '1h', period: 'PT1M', ttl: '2h', data: '{"a":1}' });
    await remind(a, { name: 's', dueTime: '10s' });
    await remind(a, { id: 'y', dueTime: '10s' });
    const name = { type: 'Cart', id: 'x', name: 'r' };
    expect(await a.block.getReminder(callOf(name))).toMatchObject({ ...name, dueTime: '1h', period: 'PT1M', ttl: '2h', data: '{"a":1}' });
    expect((await a.block.listReminders(callOf({ type: 'Cart', id: 'x' }))).map((each) => each.name)).toEqual(['r', 's']);
    expect(await a.block.listReminders(callOf({ type: 'Cart' }))).toHaveLength(3);
    await expect(remind(a, { dueTime: '3h', overwrite: false })).rejects.toMatchObject({ code: 'actor.reminder-exists' });
    await remind(a, { dueTime: '1s', data: '2' });
    await rig.pass(3_000);
    expect(due(a)).toEqual(['remind x r 2']);
    await a.block.unregisterReminder(callOf({ type: 'Cart', id: 'x', name: 's' }));
    await a.block.unregisterReminders(callOf({ type: 'Cart' }));
    expect(await a.block.listReminders(callOf({ type: 'Cart' }))).toEqual([]);
    await rig.pass(12_000);
    expect(due(a)).toHaveLength(1);
  });

  it('is tried again as its policy says, and does not come again when it asked not to', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    a.host.onDue = () => Promise.reject(new ProaError('actor.invoke', 'no'));
    await remind(a, { name: 'usual' });
    await remind(a, { name: 'drop', policy: { kind: 'drop' } });
    await remind(a, { name: 'twice', policy: { kind: 'constant', intervalMs: 500, retriesMax: 2 } });
    await rig.pass(20_000);
    const count = (name: string): number => due(a).filter((line) => line.includes(name)).length;
    expect([count('usual'), count('drop'), count('twice')]).toEqual([4, 1, 3]);
    expect(a.counts.get('dapr_runtime_actor_reminders_fired_total actor_type=Cart success=false')).toBe(3);
    a.host.onDue = () => true;
    await remind(a, { name: 'shy', period: '1s' });
    await rig.pass(5_000);
    expect(count('shy')).toBe(1);
  });

  it('is what a type reads timers for: one that has none asks whether there is one, and nothing else', async () => {
    const rig = actorsRig();
    const [a, b] = [rig.runtime('a'), rig.runtime('b')];
    const read: string[] = [];
    const { engine } = a.process;
    const readLog = engine.readLog.bind(engine);
    engine.readLog = (...given) => (read.push(given[0]), readLog(...given));
    await a.block.serve([{ ...actorDefaults, type: 'Cart' }], a.host);
    await rig.pass(60_000);
    expect(read).toEqual([]);
    // Registered by another runtime, before it takes part itself; its hint reaches the owner.
    await b.block.serve([{ ...actorDefaults, type: 'Cart' }], b.host);
    await remind(b, { id: 'anyone', name: 'first', dueTime: '3s' });
    await rig.pass(12_000);
    expect(read.length).toBeGreaterThan(0);
    expect([...due(a), ...due(b)]).toEqual(['remind anyone first']);
  });

  it('has the timers of its own shard read, and nobody reads them when there has been none for minutes; the next one comes in time', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    const shards = new Set<unknown>();
    const { engine } = a.process;
    const readLog = engine.readLog.bind(engine);
    engine.readLog = (...given) => (shards.add(untuple(given[0])[2]), readLog(...given));
    await remind(a, { dueTime: '2h' });
    await rig.pass(20_000);
    expect(shards.size).toBe(1);
    await a.block.unregisterReminder(callOf({ type: 'Cart', id: 'x', name: 'r' }));
    await rig.pass(310_000);
    shards.clear();
    await rig.pass(60_000);
    expect(shards.size).toBe(0);
    await remind(a, { name: 'next', dueTime: '3s', period: 'R2/PT20S' });
    await rig.pass(3_500);
    expect(due(a)).toEqual(['remind x next']);
    await rig.pass(21_000);
    expect([due(a).length, shards.size]).toEqual([2, 1]);
  });

  it('is refused beyond 1,000 of one actor, and replaced all the same', async () => {
    const a = await hosted(actorsRig(), 'a');
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => remind(a, { name: `r${i}`, dueTime: '1h' })));
    await expect(remind(a, { name: 'more', dueTime: '1h' })).rejects.toMatchObject({ code: 'actor.busy' });
    await remind(a, { name: 'r7', dueTime: '2h' });
    await remind(a, { id: 'y', name: 'other', dueTime: '1h' });
    await a.block.unregisterReminder(callOf({ type: 'Cart', id: 'x', name: 'r8' }));
    await remind(a, { name: 'more', dueTime: '1h' });
  });

  it('is tried again as the policies say, unless it says something itself', async () => {
    const asked: number[] = [];
    const afterMs = (_: unknown, { failures, sinceMs }: { failures: number; sinceMs: number }): number | undefined => {
      asked.push(sinceMs);
      return failures > 5 ? undefined : 2_000;
    };
    const rig = actorsRig(memoryStage(), { reminderRetries: () => ({ afterMs }) });
    const a = await hosted(rig, 'a');
    a.host.onDue = () => Promise.reject(new ProaError('actor.invoke', 'no'));
    await remind(a, { name: 'usual' });
    await remind(a, { name: 'own', policy: { kind: 'constant', intervalMs: 500, retriesMax: 1 } });
    await rig.pass(20_000);
    const count = (name: string): number => due(a).filter((line) => line.includes(name)).length;
    expect([count('usual'), count('own')]).toEqual([6, 2]);
    expect(asked.map((sinceMs) => sinceMs - (asked[0] ?? 0))).toEqual([0, 2_000, 4_000, 6_000, 8_000, 10_000]);
  });

  it('waits for an app that is not there, however long that takes', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    a.host.onDue = () => Promise.reject(new ProaError('unavailable', 'the app is not there'));
    await remind(a, {});
    await rig.pass(60_000);
    a.host.onDue = () => false;
    await rig.pass(2_000);
    expect(a.counts.get('dapr_runtime_actor_reminders_fired_total actor_type=Cart success=true')).toBe(1);
    expect(a.counts.get('dapr_runtime_actor_reminders_fired_total actor_type=Cart success=false')).toBeUndefined();
  });

  it('is fired by another runtime when its own dies, also in the middle of it', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await remind(a, { name: 'later', dueTime: '20s' });
    a.host.onDue = () => new Promise<boolean>(() => {});
    await remind(a, { name: 'now' });
    await rig.pass(2_000);
    expect(due(a)).toEqual(['remind x now']);
    a.process.frozen = true;
    a.process.down = true;
    const joining = hosted(rig, 'b');
    await rig.pass(2 * ttlMs);
    const b = await joining;
    await rig.pass(20_000);
    expect(due(b)).toEqual(['remind x now', 'remind x later']);
  });

  it('that was missed often comes once, and then in its rhythm again', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    await remind(a, { dueTime: '10s', period: '10s' });
    a.process.frozen = true;
    a.process.down = true;
    await rig.pass(75_000);
    const joining = hosted(rig, 'b');
    await rig.pass(3_000);
    const b = await joining;
    expect(due(b)).toHaveLength(1);
    await rig.pass(20_000);
    expect(due(b)).toHaveLength(3);
  });

  it('of a busy actor holds up no other', async () => {
    const rig = actorsRig();
    const a = await hosted(rig, 'a');
    a.host.onDue = ({ id }) => (id === 'x' ? new Promise<boolean>(() => {}) : false);
    await remind(a, {});
    for (let i = 0; i < 20; i++) await remind(a, { id: `y${i}` });
    await rig.pass(3_000);
    expect(due(a)).toHaveLength(21);
    expect(a.counts.get('dapr_runtime_actor_reminders_fired_total actor_type=Cart success=true')).toBe(20);
  });

  it.each([
    { period: 'P1M' },
    { period: 'P1D' },
    { dueTime: 'x' },
    { period: 'R0/PT1S' },
    { dueTime: '1h', ttl: '2001-01-01T00:00:00Z' },
    { name: '..' },
    { id: 'a?b' },
    { name: 'n'.repeat(300) },
    { data: `"${'x'.repeat(300_000)}"` },
  ])('%j is refused', async (bad) => {
    const a = await hosted(actorsRig(), 'a');
    await expect(remind(a, bad)).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('tells that the engine is not there', async () => {
    const a = await hosted(actorsRig(), 'a');
    a.process.down = true;
    const name = { type: 'Cart', id: 'x', name: 'r' };
    await expect(remind(a, { period: '1s' })).rejects.toMatchObject({ code: 'actor.reminder-create' });
    await expect(a.block.getReminder(callOf(name))).rejects.toMatchObject({ code: 'actor.reminder-get' });
    await expect(a.block.unregisterReminder(callOf(name))).rejects.toMatchObject({ code: 'actor.reminder-delete' });
  });

  it('is registered where its type is hosted only', async () => {
    const rig = actorsRig();
    await hosted(rig, 'a');
    const other = rig.runtime('other');
    await expect(remind(other, { period: '1s' })).rejects.toMatchObject({ code: 'actor.reminder-not-hosted' });
  });
});
