import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LockStore, unlockStatus } from '../contracts/lock.ts';

export interface LockRig {
  readonly store: LockStore;
  /** The same locks seen by another process. */
  readonly second: LockStore;
  /** Moves the clock by which locks expire. */
  readonly advance: (ms: number) => Promise<void> | void;
  destroy(): Promise<void>;
}

export interface LockSuiteOptions {
  readonly name: string;
  /** Whether grants carry a fencing token. */
  readonly fencing: boolean;
  /** The server behind the store, when it keeps locks while it is stopped. */
  readonly server?: () => { stop(): Promise<void>; start(): Promise<void> };
  open(): Promise<LockRig>;
}

// So long that a lock of a real server does not end while the machine is busy with something else.
const heldSeconds = 100;

/** What every lock store promises (contracts/lock). */
export function lockSuite(options: LockSuiteOptions): void {
  const { server } = options;
  describe(`lock store ${options.name}`, () => {
    let rig: LockRig;
    beforeEach(async () => {
      rig = await options.open();
    });
    afterEach(() => rig.destroy());

    it('gives a lock to one, not twice and not to its holder again', async () => {
      expect(await rig.store.tryLock('r', 'a', heldSeconds)).toMatchObject({ success: true });
      expect(await rig.second.tryLock('r', 'b', heldSeconds)).toMatchObject({ success: false });
      expect(await rig.store.tryLock('r', 'a', heldSeconds)).toMatchObject({ success: false });
      expect(await rig.second.tryLock('other', 'b', heldSeconds)).toMatchObject({ success: true });
    });

    it('releases only for the holder, and says why not', async () => {
      expect(await rig.store.unlock('r', 'a')).toBe(unlockStatus.doesNotExist);
      await rig.store.tryLock('r', 'a', heldSeconds);
      expect(await rig.second.unlock('r', 'b')).toBe(unlockStatus.belongsToOthers);
      expect(await rig.second.tryLock('r', 'b', heldSeconds)).toMatchObject({ success: false });
      expect(await rig.second.unlock('r', 'a')).toBe(unlockStatus.success);
      expect(await rig.store.unlock('r', 'a')).toBe(unlockStatus.doesNotExist);
      expect(await rig.second.tryLock('r', 'b', heldSeconds)).toMatchObject({ success: true });
    });

    it('expires, and the late holder cannot release what another took over', async () => {
      const first = await rig.store.tryLock('r', 'a', heldSeconds);
      await rig.advance(50_000);
      expect(await rig.second.tryLock('r', 'b', heldSeconds)).toMatchObject({ success: false });
      await rig.advance(60_000);
      expect(await rig.store.unlock('r', 'a')).toBe(unlockStatus.doesNotExist);
      const second = await rig.second.tryLock('r', 'b', heldSeconds);
      expect(second.success).toBe(true);
      expect(await rig.store.unlock('r', 'a')).toBe(unlockStatus.belongsToOthers);
      if (options.fencing) expect(second.fencingToken ?? 0).toBeGreaterThan(first.fencingToken ?? Infinity);
    });

    it('lets one of many win a race, round after round, with rising tokens', async () => {
      let token = 0;
      for (let round = 0; round < 5; round++) {
        const tries = Array.from({ length: 10 }, (_, index) =>
          (index % 2 === 0 ? rig.store : rig.second).tryLock('r', `owner ${index}`, heldSeconds),
        );
        const results = await Promise.all(tries);
        const winner = results.findIndex(({ success }) => success);
        expect(results.filter(({ success }) => success)).toHaveLength(1);
        if (options.fencing) {
          expect(results[winner]?.fencingToken ?? 0).toBeGreaterThan(token);
          token = results[winner]?.fencingToken ?? 0;
        }
        expect(await rig.store.unlock('r', `owner ${winner}`)).toBe(unlockStatus.success);
      }
    });

    it('keeps resources and owners apart, whatever is in their names', async () => {
      for (const name of ['a', 'a||b', 'ä', '__proto__', ' a', 'A'])
        expect(await rig.store.tryLock(name, 'o', heldSeconds)).toMatchObject({ success: true });
      expect(await rig.store.unlock('a', 'ö')).toBe(unlockStatus.belongsToOthers);
      expect(await rig.store.unlock('a||b', 'o')).toBe(unlockStatus.success);
      expect(await rig.store.unlock('a', 'o')).toBe(unlockStatus.success);
    });

    if (server === undefined) return;
    it('keeps locks and rising tokens over a restart, and says when nobody is there', async () => {
      const { fencingToken: first = Infinity } = await rig.store.tryLock('r', 'a', 60);
      await server().stop();
      await expect(rig.store.tryLock('r', 'b', 60)).rejects.toMatchObject({ code: 'unavailable' });
      await server().start();
      expect(await rig.store.tryLock('r', 'b', 60)).toEqual({ success: false });
      expect(await rig.store.unlock('r', 'a')).toBe(unlockStatus.success);
      if (options.fencing) expect((await rig.store.tryLock('r', 'b', 60)).fencingToken).toBeGreaterThan(first);
    });
  });
}
