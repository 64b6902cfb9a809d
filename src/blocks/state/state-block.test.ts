import { describe, expect, it } from 'vitest';
import type { BlockContext } from '../../contracts/block-context.ts';
import { type Component, type ComponentSet, fixedComponents } from '../../contracts/component-set.ts';
import { type Govern, type Target, ungoverned } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { EtagError, type StateStore } from '../../contracts/state.ts';
import { type Call, createCall } from '../../kernel/call.ts';
import type { ProaError } from '../../kernel/errors.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import memoryDriver from '../../drivers/state-memory/index.ts';
import { MemoryStore } from '../../drivers/state-memory/memory-store.ts';
import { createStateBlock } from './index.ts';

const clock = createFakeClock();
const random = createNodeRandom();
const ports = { clock, random } as unknown as Ports;
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => data && new TextDecoder().decode(data);
const call = <In>(input: In): Call<In> => createCall({ block: 'state', name: 'test', idempotent: true }, input);
const memory = () => new MemoryStore({ name: 'mem', bytesMax: 1e9, clock, random });

function component(
  driver: StateStore,
  properties: Record<string, string> = {},
  more: Partial<Component<'state'>> = {},
): Component<'state'> {
  return { name: 'store', type: 'state.in-memory', version: 'v1', properties, definition: memoryDriver as never, driver, ...more };
}

function blockOver(stores: ComponentSet<'state'>, more: Partial<BlockContext> = {}) {
  const context = { ports, log: silentLogger, metrics: noMetrics, appId: 'app', namespace: 'ns', govern: ungoverned, ...more };
  const block = createStateBlock(context, { stores });
  const store = 'store';
  return {
    block,
    get: async (key: string) => text((await block.get(call({ store, key, metadata: {} })))?.data),
    save: (key: string, value: string, item = {}) =>
      block.save(call({ store, items: [{ key, value: bytes(value), metadata: {}, ...item }] })),
    query: (query: string) => block.query(call({ store, query, metadata: {} })),
  };
}

const over = (driver: StateStore, properties?: Record<string, string>, more?: Partial<Component<'state'>>) =>
  blockOver(fixedComponents([component(driver, properties, more)]));

const failure = (promise: Promise<unknown>): Promise<ProaError> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: ProaError) => error,
  );

describe('state block: stores and keys', () => {
  it('tells no store from not this store, with Dapr’s texts and details', async () => {
    const none = await failure(blockOver(fixedComponents<'state'>([])).get('k'));
    expect(none).toMatchObject({ code: 'state.not-configured', message: 'state store store is not configured' });
    const { block } = over(memory());
    const other = await failure(block.save(call({ store: 'nope', items: [] })));
    expect(other).toMatchObject({
      code: 'state.not-found',
      message: 'state store nope is not found',
      details: { metadata: { appID: 'app' } },
    });
  });

  it.each([
    [undefined, 'app||k'],
    ['appid', 'app||k'],
    ['Namespace', 'ns.app||k'],
    ['name', 'store||k'],
    ['none', 'k'],
    ['Shared', 'shared||k'],
  ])('keyPrefix %s stores under %s', async (keyPrefix, stored) => {
    const driver = memory();
    const { save, get } = over(driver, keyPrefix === undefined ? {} : { KEYPREFIX: keyPrefix });
    await save('k', 'v');
    expect(text((await driver.get({ key: stored }))?.data)).toBe('v');
    expect(await get('k')).toBe('v');
  });

  it('refuses prefixes and keys that could be taken for others', async () => {
    for (const keyPrefix of ['a||b', 'a|']) {
      expect(await failure(over(memory(), { keyPrefix }).get('k'))).toMatchObject({ code: 'config.invalid' });
    }
    const { block, save } = over(memory());
    expect(await failure(save('a||b', 'v'))).toMatchObject({
      code: 'state.illegal-key',
      message: "input key/keyPrefix 'a||b' can't contain '||'",
      details: { violations: [{ field: 'a||b' }], resource: { type: 'state', name: 'store' } },
    });
    const metadata = {};
    for (const key of ['\ud800', 'a\0', 'x'.repeat(2_000)]) {
      expect(await failure(block.get(call({ store: 'store', key, metadata })))).toMatchObject({ code: 'state.illegal-key' });
      expect(await failure(block.bulkGet(call({ store: 'store', keys: ['ok', key], metadata })))).toMatchObject({
        code: 'state.illegal-key',
      });
      expect(await failure(block.bulkDelete(call({ store: 'store', items: [{ key, metadata }] })))).toMatchObject({
        code: 'state.illegal-key',
      });
    }
    expect(await failure(save('', 'v'))).toMatchObject({ code: 'malformed-request', message: '"key" is a required field' });
  });

  it('compiles each operation once, and again after the component changed', async () => {
    const targets: Target[] = [];
    const govern: Govern = (target, service) => {
      targets.push(target);
      return service;
    };
    let current = component(memory());
    let changed: (change: { added: string[]; removed: string[] }) => Promise<void> = async () => {};
    const stores: ComponentSet<'state'> = {
      get: (name) => (name === 'store' ? current : undefined),
      list: () => [current],
      onChange: (listener) => {
        changed = listener as typeof changed;
        return () => {};
      },
    };
    const { get, save } = blockOver(stores, { govern });
    await save('k', 'v');
    await get('k');
    await get('k');
    expect(targets.map(({ operation }) => operation)).toEqual(['get', 'bulk_get', 'set', 'delete', 'bulk_delete', 'transaction', 'query']);
    expect(targets[0]).toMatchObject({ block: 'state', name: 'store', direction: 'outbound', componentType: 'state.in-memory' });
    current = component(memory());
    await changed({ added: ['store'], removed: ['store'] });
    expect(await get('k')).toBeUndefined();
    expect(targets).toHaveLength(14);
  });
});

describe('state block: writes', () => {
  it('maps etag errors and other failures to Dapr’s codes and texts', async () => {
    const { block, save } = over(memory());
    await save('k', '1');
    const stale = { etag: 'stale' };
    const prefix = 'possible etag mismatch. error from state store: the etag does not match';
    expect(await failure(save('k', '2', stale))).toMatchObject({
      code: 'state.save-etag-mismatch',
      message: `failed saving state in state store store: ${prefix}`,
    });
    const item = { key: 'k', metadata: {}, ...stale };
    expect(await failure(block.delete(call({ store: 'store', item })))).toMatchObject({
      code: 'state.delete-etag-mismatch',
      message: `failed deleting state with key k: ${prefix}`,
    });
    expect(await failure(block.bulkDelete(call({ store: 'store', items: [item, { key: 'x', metadata: {} }] })))).toMatchObject({
      code: 'state.bulk-delete-etag-mismatch',
      message: `failed deleting state in state store store: ${prefix}`,
    });
    const operations = [{ kind: 'upsert', ...item, value: bytes('3') }] as const;
    expect(await failure(block.transact(call({ store: 'store', operations, metadata: {} })))).toMatchObject({
      code: 'state.transaction-etag-mismatch',
      message: `error while executing state transaction: ${prefix}`,
    });
    const broken = Object.assign(memory(), {
      get: () => Promise.reject(new Error('boom')),
      set: () => Promise.reject(new EtagError('invalid')),
    });
    expect(await failure(over(broken).get('k'))).toMatchObject({
      code: 'state.get',
      message: 'fail to get k from state store store: boom',
    });
    expect(await failure(over(broken).save('k', 'v', { etag: 'x' }))).toMatchObject({ code: 'state.save-etag-invalid' });
  });

  it('treats an empty etag as none, and checks words and times to live before anything is written', async () => {
    const { save, get } = over(memory());
    await save('k', '1', { etag: '' });
    await save('k', '2', { etag: '', options: { concurrency: 'last-write', consistency: 'strong' } });
    for (const bad of [
      { options: { concurrency: 'other' } },
      { options: { consistency: 'other' } },
      { metadata: { ttlInSeconds: '-2' } },
      { metadata: { ttlInSeconds: '1.5' } },
      { metadata: { ttlInSeconds: '99999999999' } },
    ]) {
      expect(await failure(save('k', '3', bad))).toMatchObject({ code: 'malformed-request' });
    }
    for (const ttlInSeconds of ['0', '-1', '']) await save('k', '4', { metadata: { ttlInSeconds } });
    clock.advance(1e9);
    expect(await get('k')).toBe('4');
    await save('k', '5', { metadata: { ttlInSeconds: '10' } });
    clock.advance(11_000);
    expect(await get('k')).toBeUndefined();
    expect(
      await failure(
        save('k', '1', { options: { concurrency: 'first-write' } }).then(() => save('k', '2', { options: { concurrency: 'first-write' } })),
      ),
    ).toMatchObject({ code: 'state.save-etag-mismatch' });
  });

  it('refuses what the store cannot do instead of ignoring it', async () => {
    const plain = Object.assign(memory(), { capabilities: [] });
    const { block, save, query } = over(plain);
    for (const item of [{ etag: 'x' }, { metadata: { ttlInSeconds: '5' } }, { options: { concurrency: 'first-write' } }]) {
      expect(await failure(save('k', 'v', item))).toMatchObject({ code: 'unimplemented' });
    }
    expect(await failure(block.transact(call({ store: 'store', operations: [], metadata: {} })))).toMatchObject({
      code: 'state.transactions-not-supported',
      message: "state store store doesn't support transactions",
    });
    expect(await failure(query('{}'))).toMatchObject({
      code: 'state.query-not-supported',
      message: 'state store does not support querying',
    });
  });

  it('lets a retry repeat only the items that can still succeed, and does not forget the others', async () => {
    const driver = memory();
    let calls = 0;
    const seen: string[][] = [];
    driver.bulkSet = async (sets) => {
      seen.push(sets.map(({ key }) => key));
      const transient = ++calls === 1 ? new Error('busy') : undefined;
      return sets.map(({ key }, index) => ({
        key,
        ...(index === 1 ? { error: new EtagError('mismatch') } : index > 1 && transient && { error: transient }),
      }));
    };
    driver.set = async ({ key }) => void seen.push([key]);
    const twice: Govern = (_target, service) => async (input) => {
      try {
        return await service(input);
      } catch {
        return service(input);
      }
    };
    const { block } = blockOver(fixedComponents([component(driver)]), { govern: twice });
    const items = ['a', 'b', 'c'].map((key) => ({ key, value: bytes('1'), metadata: {} }));
    expect(await failure(block.save(call({ store: 'store', items })))).toMatchObject({ code: 'state.save-etag-mismatch' });
    expect(seen).toEqual([['app||a', 'app||b', 'app||c'], ['app||c']]);
  });

  it('runs transactions whole, within the store’s limit', async () => {
    const driver = memory();
    const { block, get } = over(Object.assign(driver, { transactionOperationsMax: 2 }));
    const upsert = (key: string) => ({ kind: 'upsert', key, value: bytes('1'), metadata: {} }) as const;
    const transact = (keys: string[]) => block.transact(call({ store: 'store', operations: keys.map(upsert), metadata: {} }));
    await transact([]);
    await transact(['a', 'b']);
    expect([await get('a'), await get('b')]).toEqual(['1', '1']);
    expect(await failure(transact(['c', 'd', 'e']))).toMatchObject({
      code: 'state.too-many-operations',
      message: 'the transaction contains 3 operations, which is more than what the state store supports: 2',
      details: { metadata: { currentOpsTransaction: '3', maxOpsPerTransaction: '2' } },
    });
    expect(await failure(transact(['c', 'd||e']))).toMatchObject({ code: 'state.illegal-key' });
    expect(await get('c')).toBeUndefined();
  });
});

describe('state block: encryption', () => {
  it('keeps only ciphertext in the store, for every way in and out', async () => {
    const driver = memory();
    const { block, save, get, query } = over(driver, { primaryEncryptionKey: '00'.repeat(32) });
    await save('a', 'secret');
    const operations = [{ kind: 'upsert', key: 'b', value: bytes('secret'), metadata: {} }] as const;
    await block.transact(call({ store: 'store', operations, metadata: {} }));
    for (const key of ['app||a', 'app||b']) expect(text((await driver.get({ key }))?.data)).toMatch(/^b1\.[^|]+\|\|key-[0-9a-f]{12}$/);
    expect([await get('a'), await get('b'), await get('c')]).toEqual(['secret', 'secret', undefined]);
    await driver.set({ key: 'app||b', data: (await driver.get({ key: 'app||a' }))?.data ?? bytes('') });
    const items = await block.bulkGet(call({ store: 'store', keys: ['a', 'b', 'c'], metadata: {} }));
    expect(items.map(({ value }) => text(value?.data))).toEqual(['secret', undefined, undefined]);
    expect(items[1]?.error).toContain('could not decrypt data for state store store');
    expect(await failure(get('b'))).toMatchObject({ code: 'state.get' });
    expect(await failure(query('{}'))).toMatchObject({ message: 'state store store query failed: cannot query encrypted store' });
  });
});

describe('state block: bulk get and queries', () => {
  it('answers in key order under the client’s keys, with errors per item', async () => {
    const driver = memory();
    const { block, save } = over(driver);
    await save('a', '1');
    const bulkGet = driver.bulkGet.bind(driver);
    let wished: number | undefined;
    driver.bulkGet = async (requests, ...[parallelism]: (number | undefined)[]) => {
      wished = parallelism;
      return (await bulkGet(requests)).map((outcome) =>
        outcome.key === 'app||bad' ? { key: outcome.key, error: new Error('broken') } : outcome,
      );
    };
    const items = await block.bulkGet(call({ store: 'store', keys: ['bad', 'missing', 'a'], parallelism: 3, metadata: {} }));
    expect(items.map(({ key, value, error }) => [key, text(value?.data), error])).toEqual([
      ['bad', undefined, 'broken'],
      ['missing', undefined, undefined],
      ['a', '1', undefined],
    ]);
    expect(wished).toBe(3);
    expect(await block.bulkGet(call({ store: 'store', keys: [], metadata: {} }))).toEqual([]);
  });

  it('queries only the app’s own keys', async () => {
    const driver = memory();
    const { save, query } = over(driver);
    await save('1', '{"city":"Bonn"}');
    await save('2', '{"city":"Kiel"}');
    await driver.set({ key: 'other||3', data: bytes('{"city":"Bonn"}') });
    const { results, token } = await query('{"filter":{"EQ":{"city":"Bonn"}},"sort":[{"key":"city"}],"page":{"limit":5}}');
    expect(results.map(({ key, data }) => [key, text(data)])).toEqual([['1', '{"city":"Bonn"}']]);
    expect(token).toBeUndefined();
    expect((await query('{}')).results).toHaveLength(2);
  });

  it.each([
    ['not json', 'failed to parse JSON query body'],
    ['[]', 'must be a map'],
    ['{"filter":{"EQ":{"a":1},"IN":{"a":[1]}}}', 'filter unit must have a single element'],
    ['{"filter":{"NOPE":{"a":1}}}', 'unsupported filter "NOPE"'],
    ['{"filter":{"EQ":{"a":1,"b":2}}}', 'EQ filter must contain a single key/value pair'],
    ['{"filter":{"IN":{"a":1}}}', 'IN filter value must be an array'],
    ['{"filter":{"AND":[{"EQ":{"a":1}}]}}', 'AND filter must contain at least two entries'],
    ['{"sort":[{"key":"a","order":"UP"}]}', 'a sort order is ASC or DESC'],
    ['{"page":{"limit":-1}}', 'page.limit must be a whole number'],
    ['{"page":{"limit":1,"token":"x"}}', 'the page token'],
    [`{"filter":${'{"AND":['.repeat(40)}`, 'nests deeper than 64 levels'],
  ])('refuses the query %s', async (body, why) => {
    const error = await failure(over(memory()).query(body));
    expect(error).toMatchObject({ code: 'state.query' });
    expect(error.message).toContain('state store store query failed: ');
    expect(error.message).toContain(why);
  });
});
