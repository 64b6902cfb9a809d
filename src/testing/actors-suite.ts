import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActorTypeConfig } from '../contracts/actor-host.ts';
import type { Call } from '../kernel/call.ts';
import type { ActorsWithState } from './actor-state-suite.ts';
import { callOf, type ActorsRig, type ActorsRuntime } from './actors-rig.ts';
import type { DurableStage } from './durable-stage.ts';

type Named = { readonly type: string; readonly id: string; readonly name: string };

interface Schedule {
  readonly dueTime?: string;
  readonly period?: string;
  readonly ttl?: string;
  readonly data?: string;
}

/** What the suite needs of a block of actors. */
export interface ActorsWithSchedules extends ActorsWithState {
  readonly registerReminder: (call: Call<Named & Schedule & { readonly overwrite?: boolean }>) => Promise<void>;
  readonly unregisterReminder: (call: Call<Named>) => Promise<void>;
  readonly listReminders: (call: Call<{ readonly type: string }>) => Promise<readonly { readonly name: string }[]>;
  readonly registerTimer: (call: Call<Named & Schedule>) => Promise<void>;
}

export interface ActorsSuiteOptions {
  readonly name: string;
  openStage(): DurableStage | Promise<DurableStage>;
  createRig(stage: DurableStage): ActorsRig<ActorsWithSchedules>;
  readonly defaults: Omit<ActorTypeConfig, 'type'>;
}

type Runtime = ActorsRuntime<ActorsWithSchedules>;

const second = 1_000;
const type = 'Cart';

/** Defines the tests of turns, reminders and moves of actors in one and two runtimes, for one engine. */
export function actorsSuite({ name, openStage, createRig, defaults }: ActorsSuiteOptions): void {
  describe(`actors: ${name}`, () => {
    let stage: DurableStage;
    let rig: ActorsRig<ActorsWithSchedules>;
    const ids = Array.from({ length: 24 }, (_, i) => `cart-${i}`);

    beforeEach(async () => {
      stage = await openStage();
      rig = createRig(stage);
    });
    // Their clocks stand still: what was not closed does nothing any more.
    afterEach(() => stage.close());

    async function hosting(instance: string, config: Partial<ActorTypeConfig> = {}): Promise<Runtime> {
      const runtime = rig.runtime(instance);
      await runtime.block.serve([{ ...defaults, ...config, type }], runtime.host);
      return runtime;
    }
    async function invoke({ block }: Runtime, id: string, method = 'get'): Promise<string> {
      const input = { type, id, method, httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) };
      return Buffer.from((await block.invoke(callOf(input))).data).toString();
    }
    /** The call, while time goes by. */
    async function answered<T>(call: Promise<T>): Promise<T> {
      let over = false;
      const end = (): void => void (over = true);
      call.then(end, end);
      await rig.until(() => over);
      return call;
    }
    async function pair(config: Partial<ActorTypeConfig> = {}): Promise<readonly [Runtime, Runtime]> {
      const [a, b] = [await hosting('a', config), await hosting('b', config)];
      await rig.until(async () => new Set((await answered(homes(a))).map(ownerOf)).size === 2);
      return [a, b];
    }
    const homes = (from: Runtime): Promise<string[]> => Promise.all(ids.map((id) => invoke(from, id)));
    const ownerOf = (answer: string): string => answer.slice(0, answer.indexOf(':'));
    const remind = ({ block }: Runtime, reminder: string, more: Schedule & { readonly id?: string; readonly overwrite?: boolean }) =>
      block.registerReminder(callOf({ type, id: 'x', name: reminder, ...more }));
    const due = (runtime: Runtime, reminder: string): number =>
      runtime.host.log.filter((line) => line.startsWith('remind') && line.split(' ')[2] === reminder).length;
    const save = ({ block }: Runtime, id: string, value: string): Promise<void> =>
      block.transact(callOf({ type, id, operations: [{ kind: 'upsert', key: 'total', value: Buffer.from(value), metadata: {} }] }));
    const load = async ({ block }: Runtime, id: string): Promise<string | undefined> => {
      const value = await block.getState(callOf({ type, id, key: 'total' }));
      return value && Buffer.from(value.data).toString();
    };

    it('take one turn at a time, wherever they are called from', async () => {
      const [a, b] = await pair();
      const c = rig.runtime('c');
      const [seen, ...others] = [await homes(a), await homes(b), await homes(c)];
      expect(others).toEqual([seen, seen]);
      const id = ids.find((_, i) => seen[i]?.startsWith('b:')) as string;
      let open = (): void => {};
      const door = new Promise<void>((resolve) => (open = resolve));
      b.host.methods.set('slow', async () => (await door, 'done'));
      b.host.log.length = 0;
      const slow = invoke(c, id, 'slow');
      await rig.settle();
      const waiting = [a, b, c].map((from, i) => invoke(from, id, `turn-${i}`));
      await rig.pass(second);
      expect(b.host.log).toEqual([`slow ${id}`]);
      open();
      await answered(Promise.all([slow, ...waiting]));
      expect(b.host.log.length).toBe(4);
    });

    it('go on elsewhere with their state when their runtime dies, and calls wait for that', async () => {
      const [a, b] = await pair();
      const seen = await homes(b);
      const moving = ids.filter((_, i) => seen[i]?.startsWith('a:'));
      for (const id of moving) await save(a, id, `${id} of a`);
      a.process.frozen = true;
      a.process.down = true;
      expect(await answered(homes(b))).toEqual(ids.map((id) => `b:${id}`));
      for (const id of moving) expect(await load(b, id)).toBe(`${id} of a`);
    });

    it('end their turn before they move to a runtime that comes, and what waits goes along', async () => {
      const a = await hosting('a');
      let open = (): void => {};
      const door = new Promise<void>((resolve) => (open = resolve));
      a.host.methods.set('slow', async ({ id }) => {
        await door;
        await save(a, id, 'slow');
        return 'finished';
      });
      const slow = Promise.all(ids.map((id) => invoke(a, id, 'slow')));
      await rig.settle();
      const waiting = homes(a);
      const joining = hosting('b');
      // Less than a turn may take.
      await rig.pass(second);
      open();
      const b = await answered(joining);
      expect(await answered(slow)).toEqual(ids.map(() => 'finished'));
      await answered(waiting);
      await rig.until(async () => (await answered(homes(a))).some((answer) => answer.startsWith('b:')));
      const moved = ids.filter((id) => b.host.log.includes(`get ${id}`));
      for (const id of moved) expect([id, a.host.log.includes(`deactivate ${id}`), await load(b, id)]).toEqual([id, true, 'slow']);
      expect(a.counts.get(`proa_actor_overlaps_total actor_type=${type}`)).toBeUndefined();
    });

    it('are woken by reminders, as often and as long as these say; timers come while the actor is there', async () => {
      const a = await hosting('a');
      const due3 = { dueTime: '10s', period: 'R3/PT6S' };
      await remind(a, 'thrice', { ...due3, data: '"rent"' });
      await remind(a, 'short', { dueTime: '5s', period: '5s', ttl: '17s' });
      await remind(a, 'once', { dueTime: '7s' });
      await remind(a, 'removed', { dueTime: '8s' });
      await remind(a, 'replaced', { dueTime: '8s' });
      await rig.pass(4_500);
      expect(a.host.log).toEqual([]);
      await a.block.unregisterReminder(callOf({ type, id: 'x', name: 'removed' }));
      await expect(remind(a, 'replaced', { dueTime: '1s', overwrite: false })).rejects.toMatchObject({ code: 'actor.reminder-exists' });
      await remind(a, 'replaced', { dueTime: '30s' });
      await rig.until(() => a.host.log.length > 0);
      await a.block.registerTimer(callOf({ type, id: 'x', name: 't', dueTime: '1s', period: 'R2/PT1S' }));
      await rig.pass(15 * second);
      expect(due(a, 'thrice')).toBe(2);
      await rig.pass(25 * second);
      const seen = ['thrice', 'short', 'once', 'removed', 'replaced'].map((each) => due(a, each));
      expect([...seen, a.host.log.filter((line) => line.startsWith('timer')).length]).toEqual([3, 4, 1, 0, 1, 2]);
      expect(a.host.log).toContain('remind x thrice "rent"');
      expect(await a.block.listReminders(callOf({ type }))).toEqual([]);
    });

    it('wait for an engine that is full: a write fails as a whole, reminders come when there is room again', async () => {
      const a = await hosting('a');
      await remind(a, 'thrice', { dueTime: '4s', period: 'R3/PT4S' });
      await rig.until(() => due(a, 'thrice') === 1);
      await save(a, 'x', 'before');
      await stage.fill(true);
      await expect(save(a, 'x', 'no room')).rejects.toThrow();
      await expect(remind(a, 'more', { dueTime: '1s' })).rejects.toMatchObject({ code: 'actor.reminder-create' });
      await rig.pass(15 * second);
      await stage.fill(false);
      await rig.until(async () => due(a, 'thrice') >= 3 && (await a.block.listReminders(callOf({ type }))).length === 0);
      expect([await answered(invoke(a, 'x')), await load(a, 'x'), due(a, 'more')]).toEqual(['a:x', 'before', 0]);
      await rig.pass(10 * second);
      expect(due(a, 'thrice')).toBe(3);
    });

    it('are reminded by another runtime when their own stands still, also amidst a reminder; once for what was missed often; and what comes late counts for nothing', async () => {
      const a = await hosting('a');
      let open = (): void => {};
      const door = new Promise<void>((resolve) => (open = resolve));
      a.host.onDue = async ({ name: reminder }) => {
        if (reminder === 'now') await door;
        return false;
      };
      await remind(a, 'now', { period: 'R2/PT60S' });
      await remind(a, 'later', { dueTime: '20s' });
      await remind(a, 'often', { id: 'y', dueTime: '8s', period: '8s' });
      await rig.until(() => due(a, 'now') === 1);
      // Until it has read what there is: the next owner then begins there.
      await rig.pass(2 * second);
      a.process.frozen = true;
      await rig.pass(30 * second);
      const b = await answered(hosting('b'));
      await rig.until(() => due(b, 'now') === 1 && due(b, 'later') === 1 && due(b, 'often') >= 1);
      expect([due(b, 'now'), due(b, 'later'), due(b, 'often'), due(a, 'often')]).toEqual([1, 1, 1, 0]);
      // The app of the frozen one goes on with its turn, which would have been the first of two.
      await expect(save(a, 'x', 'too late')).rejects.toMatchObject({ code: 'actor.overlap' });
      open();
      await rig.settle();
      a.process.frozen = false;
      const both = (reminder: string): number => due(a, reminder) + due(b, reminder);
      await rig.until(() => both('now') === 3);
      await rig.pass(10 * second);
      expect([both('now'), both('later')]).toEqual([3, 1]);
      expect(a.counts.get(`proa_actor_overlaps_total actor_type=${type}`)).toBeGreaterThan(0);
      expect(both('often')).toBeGreaterThan(4);
    });
  });
}
