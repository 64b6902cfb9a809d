import { describe, expect, it } from 'vitest';
import type { Component } from '../../contracts/component-set.ts';
import { MemoryStore } from '../../drivers/state-memory/memory-store.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { encryptedStore } from './encrypted-store.ts';

const random = createNodeRandom();
const key = '00112233445566778899aabbccddeeff';
const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (data: Uint8Array | undefined): string | undefined => data && Buffer.from(data).toString();

function opened(properties: Record<string, string>) {
  const driver = new MemoryStore({ clock: createFakeClock(), random, name: 's', bytesMax: 1_000_000 });
  const component = { name: 's', type: 'state.in-memory', version: 'v1', properties, driver } as unknown as Component<'state'>;
  return { driver, store: () => encryptedStore(component, random) };
}

describe('a store with encryption keys', () => {
  it('holds no value in the clear, however it was written, and answers all of them', async () => {
    const { driver, store: open } = opened({ primaryEncryptionKey: key });
    const store = open();
    await store.set({ key: 'a', data: bytes('one') });
    await store.bulkSet([{ key: 'b', data: bytes('two') }]);
    await store.transact?.([{ kind: 'upsert', key: 'c', data: bytes('three') }], {});
    for (const name of ['a', 'b', 'c']) expect(text((await driver.get({ key: name }))?.data)).toMatch(/^b1\.[A-Za-z0-9+/=]+\|\|key-/);
    expect(text((await store.get({ key: 'c' }))?.data)).toBe('three');
    const all = await store.bulkGet([{ key: 'a' }, { key: 'b' }, { key: 'missing' }]);
    expect(all.map(({ value }) => text(value?.data))).toEqual(['one', 'two', undefined]);
    await store.transact?.([{ kind: 'delete', key: 'c' }], {});
    expect(await store.get({ key: 'c' })).toBeUndefined();
    expect(store.capabilities).not.toContain('QUERY_API');
  });

  it('tells of a value that it cannot decrypt, and answers the others', async () => {
    const { driver, store: open } = opened({ primaryEncryptionKey: key });
    const store = open();
    await store.set({ key: 'good', data: bytes('1') });
    await driver.set({ key: 'bad', data: bytes('in the clear') });
    await expect(store.get({ key: 'bad' })).rejects.toThrow('could not decrypt data for state store s');
    const [good, bad] = await store.bulkGet([{ key: 'good' }, { key: 'bad' }]);
    expect(text(good?.value?.data)).toBe('1');
    expect(bad?.error?.message).toContain('could not decrypt');
  });

  it('is the driver itself without keys, and is refused with bad ones', () => {
    const plain = opened({});
    expect(plain.store()).toBe(plain.driver);
    expect(opened({ primaryEncryptionKey: 'no hex' }).store).toThrow('not a hex key');
  });
});
