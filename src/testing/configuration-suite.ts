import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConfigurationItems, ConfigurationStore } from '../contracts/configuration.ts';

export interface ConfigurationRig {
  readonly store: ConfigurationStore;
  /** Writes items with the store's own means; undefined removes. */
  readonly write: (items: Readonly<Record<string, string | undefined>>) => Promise<void>;
  /** Lets the time pass by which a change must have been reported. Where nobody knows that time it goes on until `heard`, if that is given. */
  readonly settle: (heard?: () => boolean) => Promise<void>;
  destroy(): Promise<void>;
}

/** `settle` of a store on a real server, which reports when it comes to it: what has to come is waited for, what must not come gets a moment. */
export async function settleOnServer(heard?: () => boolean): Promise<void> {
  if (heard === undefined) await new Promise((resolve) => setTimeout(resolve, 150));
  // What was not heard in the end is for the test to say, with what came instead.
  else await vi.waitUntil(heard, { timeout: 30_000, interval: 5 }).catch(() => {});
}

/** What every configuration store promises (contracts/configuration). */
export function configurationSuite(options: { readonly name: string; open(): Promise<ConfigurationRig> }): void {
  describe(`configuration store ${options.name}`, () => {
    let rig: ConfigurationRig;
    beforeEach(async () => {
      rig = await options.open();
    });
    afterEach(() => rig.destroy());

    const values = (items: ConfigurationItems) => Object.fromEntries(Object.entries(items).map(([key, { value }]) => [key, value]));
    const listen = async (keys: readonly string[]) => {
      const heard: Record<string, string>[] = [];
      const stop = await rig.store.subscribe(keys, {}, (items) => heard.push(values(items)));
      return { heard, stop, last: () => Object.assign({}, ...heard) as Record<string, string> };
    };

    it('gives some keys or all, and leaves missing ones out', async () => {
      expect(Object.keys(await rig.store.get([], {}))).toEqual([]);
      await rig.write({ a: '1', b: 'zwei\nlines: "x"', c: '' });
      expect(values(await rig.store.get([], {}))).toEqual({ a: '1', b: 'zwei\nlines: "x"', c: '' });
      expect(values(await rig.store.get(['b', 'missing', 'toString'], {}))).toEqual({ b: 'zwei\nlines: "x"' });
    });

    it('changes the version with the value, and only then', async () => {
      await rig.write({ a: '1', b: '1' });
      const first = await rig.store.get([], {});
      await rig.write({ a: '2' });
      const second = await rig.store.get([], {});
      expect(first['a']?.version).not.toBe('');
      expect(second['a']?.version).not.toBe(first['a']?.version);
      expect(second['b']?.version).toBe(first['b']?.version);
    });

    it('reports changed, new and removed items, of the keys asked for and nothing else', async () => {
      await rig.write({ a: '1', b: '1', gone: '1' });
      const some = await listen(['a', 'gone', 'later']);
      const all = await listen([]);
      await rig.settle();
      expect([some.heard, all.heard]).toEqual([[], []]);
      await rig.write({ a: '2', b: '2', gone: undefined, later: '1' });
      const wanted = [
        { a: '2', gone: '', later: '1' },
        { a: '2', b: '2', gone: '', later: '1' },
      ];
      await rig.settle(() => isDeepStrictEqual([some.last(), all.last()], wanted));
      expect([some.last(), all.last()]).toEqual(wanted);
      await rig.write({ b: '3' });
      await rig.settle(() => all.last()['b'] === '3');
      expect(all.heard.at(-1)).toEqual({ b: '3' });
      expect(some.last()).not.toHaveProperty('b');
    });

    it('is silent after the end of a subscription, and after closing', async () => {
      await rig.write({ a: '1' });
      const ended = await listen([]);
      const closed = await listen([]);
      await ended.stop();
      await rig.write({ a: '2' });
      await rig.settle(() => closed.heard.length > 0);
      expect([ended.heard, closed.last()]).toEqual([[], { a: '2' }]);
      await rig.store.close();
      const count = closed.heard.length;
      await rig.write({ a: '3' });
      await rig.settle();
      expect(closed.heard).toHaveLength(count);
    });
  });
}
