import { describe, expect, it } from 'vitest';
import type { ActorHost, ActorTypeConfig } from '../contracts/actor-host.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { StateStore, StateValue } from '../contracts/state.ts';
import type { Call } from '../kernel/call.ts';
import { callOf, type ActorsRig, type ActorsRuntime } from './actors-rig.ts';

type Operation = { readonly key: string; readonly metadata: Readonly<Record<string, string>>; readonly etag?: string } & (
  | { readonly kind: 'upsert'; readonly value: Uint8Array }
  | { readonly kind: 'delete' }
);
type Named = { readonly type: string; readonly id: string };

/** What the suite needs of a block of actors. */
export interface ActorsWithState {
  readonly invoke: (
    call: Call<Named & { method: string; httpMethod: string; query: string; headers: readonly string[]; data: Uint8Array }>,
  ) => Promise<{ readonly data: Uint8Array }>;
  readonly getState: (call: Call<Named & { readonly key: string }>) => Promise<StateValue | undefined>;
  readonly transact: (call: Call<Named & { readonly operations: readonly Operation[] }>) => Promise<void>;
  serve(types: readonly ActorTypeConfig[], host: ActorHost): Promise<unknown>;
  receive(call: Call<InvokeRequest>): Promise<InvokeResponse>;
}

export interface ActorStateSuiteOptions {
  readonly name: string;
  /** The test closes what it opened. */
  readonly createRig: () => ActorsRig<ActorsWithState> | Promise<ActorsRig<ActorsWithState>>;
  readonly ttlMs: number;
  readonly defaults: Omit<ActorTypeConfig, 'type'>;
  /** A store of others, empty or with keys that nobody else uses; absent: the engine. The test closes what it opened. */
  readonly openStore?: () => StateStore;
}

type Runtime = ActorsRuntime<ActorsWithState>;

/** What holds for the state of actors, wherever it is kept: only the turn that owns an actor writes it. */
export function actorStateSuite({ name, createRig, ttlMs, defaults, openStore = () => undefined as never }: ActorStateSuiteOptions): void {
  const host = ({ block, host: app }: Runtime) => block.serve([{ ...defaults, type: 'Cart' }], app);
  const invoke = async ({ block }: Runtime, id: string, method = 'get'): Promise<string> => {
    const input = { type: 'Cart', id, method, httpMethod: 'POST', query: '', headers: [], data: new Uint8Array(0) };
    return Buffer.from((await block.invoke(callOf(input))).data).toString();
  };
  const transact = ({ block }: Runtime, id: string, ...operations: readonly Operation[]) =>
    block.transact(callOf({ type: 'Cart', id, operations }));
  const put = (key: string, value: string, more: Partial<Operation> = {}): Operation => ({
    kind: 'upsert',
    key,
    value: Buffer.from(value),
    metadata: {},
    ...(more as object),
  });
  const save = (runtime: Runtime, id: string, value: string) => transact(runtime, id, put('total', value));
  const load = async ({ block }: Runtime, id: string): Promise<string | undefined> => {
    const value = await block.getState(callOf({ type: 'Cart', id, key: 'total' }));
    return value && Buffer.from(value.data).toString();
  };

  describe(`state ${name}`, () => {
    it('is read at any time and written while the actor is active', async () => {
      const a = (await createRig()).runtime('a', openStore());
      await host(a);
      expect(await load(a, 'x')).toBeUndefined();
      await expect(save(a, 'x', '1')).rejects.toMatchObject({ code: 'actor.not-active' });
      await invoke(a, 'x');
      expect(await load(a, 'x')).toBeUndefined();
      await save(a, 'x', '17');
      await save(a, 'x', '18');
      expect(await load(a, 'x')).toBe('18');
      await transact(a, 'x', { kind: 'delete', key: 'total', metadata: {} });
      expect(await load(a, 'x')).toBeUndefined();
    });

    it('keeps apart what etags are for, and refuses what is not valid', async () => {
      const a = (await createRig()).runtime('a', openStore());
      await host(a);
      await invoke(a, 'etags');
      await save(a, 'etags', '1');
      await expect(transact(a, 'etags', put('total', '2', { etag: '999999' }))).rejects.toMatchObject({ code: 'actor.state-save' });
      await save(a, 'etags', '3');
      expect(await load(a, 'etags')).toBe('3');
      for (const key of ['', 'a||b', 'k'.repeat(513)])
        await expect(transact(a, 'etags', put(key, '1'))).rejects.toMatchObject({ spec: { http: 400 } });
      for (const ttlInSeconds of ['soon', '-2', '1.5'])
        await expect(transact(a, 'etags', put('k', '1', { metadata: { ttlInSeconds } }))).rejects.toMatchObject({
          code: 'malformed-request',
        });
      const many = Array.from({ length: 2_000 }, (_, i): Operation => ({ kind: 'delete', key: `k${i}`, metadata: {} }));
      await expect(transact(a, 'etags', ...many)).rejects.toMatchObject({ code: 'state.too-many-operations' });
    });

    it('is written by a transaction as a whole or not at all', async () => {
      const a = (await createRig()).runtime('a', openStore());
      await host(a);
      await invoke(a, 'whole');
      await save(a, 'whole', '1');
      await expect(transact(a, 'whole', put('other', '2'), put('total', '2', { etag: '999999' }))).rejects.toMatchObject({
        code: 'actor.state-save',
      });
      expect(await a.block.getState(callOf({ type: 'Cart', id: 'whole', key: 'other' }))).toBeUndefined();
      await Promise.all([save(a, 'whole', '5'), transact(a, 'whole', put('other', '6')), transact(a, 'whole', put('third', '7'))]);
      expect(await load(a, 'whole')).toBe('5');
    });

    it('of a turn that a freeze overtook is refused, like its answer, and counted', async () => {
      const rig = await createRig();
      const store = openStore();
      const [a, b] = [rig.runtime('a', store), rig.runtime('b', store)];
      await host(a);
      let open = (): void => {};
      const door = new Promise<void>((resolve) => (open = resolve));
      a.host.methods.set('slow', async () => (await door, 'too late'));
      await invoke(a, 'frozen');
      await save(a, 'frozen', '1');
      const slow = invoke(a, 'frozen', 'slow');
      await rig.settle();
      a.process.frozen = true;
      const taken = host(b);
      await rig.pass(2 * ttlMs);
      await taken;
      expect(await invoke(b, 'frozen')).toBe('b:frozen');
      expect(await load(b, 'frozen')).toBe('1');
      await save(b, 'frozen', '2');
      // The app of the frozen runtime goes on with its turn: neither its write nor its answer counts.
      await expect(save(a, 'frozen', '99')).rejects.toMatchObject({ code: 'actor.overlap' });
      open();
      await expect(slow).rejects.toMatchObject({ code: 'actor.overlap' });
      expect(await load(b, 'frozen')).toBe('2');
      expect(a.counts.get('proa_actor_overlaps_total actor_type=Cart')).toBeGreaterThan(0);
      a.process.frozen = false;
      await rig.pass(ttlMs);
      expect(a.host.log.at(-1)).toBe('deactivate frozen');
    });
  });
}
