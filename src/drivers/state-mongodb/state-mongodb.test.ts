import fc from 'fast-check';
import { Binary, type Document, Double, Int32, Long } from 'mongodb';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionStringOf } from '../../clients/mongodb/connection-string.ts';
import { checkActorStore } from '../../contracts/actor-store.ts';
import type { Component } from '../../contracts/component-set.ts';
import type { StateFilter, StateStore } from '../../contracts/state.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { ageMongo, startMongo, withMongo } from '../../testing/mongo-server.ts';
import { startMute } from '../../testing/mute-server.ts';
import { findProgram, type ServerProcess } from '../../testing/server-process.ts';
import { bytes, textOf, upsert } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import { anyJson } from '../../testing/any-json.ts';
import driver from './index.ts';
import { singleServerCapabilities } from './mongo-store.ts';

const ferretdb = findProgram('ferretdb');
if (ferretdb === undefined) console.log('skipped: ferretdb not found');

const lines: string[] = [];
const context = testDriverContext({ clock: nodeClock, random: createNodeRandom(), log: recordingLogger(lines) });
const open = (metadata: Record<string, string>): Promise<StateStore> => driver.open(v.parse(driver.config, metadata), context);
const failed = (work: Promise<unknown>): Promise<Error & { code?: string }> =>
  work.then(
    () => new Error('it succeeded'),
    (error: unknown) => error as Error,
  );

describe.runIf(ferretdb !== undefined)('state.mongodb, FerretDB', () => {
  let server: ServerProcess;
  let collections = 0;
  const address = () => ({ host: `127.0.0.1:${server.port}` });
  beforeAll(async () => {
    server = await startMongo(ferretdb as string);
  });
  afterAll(() => server.destroy());

  stateSuite({
    name: 'state.mongodb',
    capabilities: singleServerCapabilities,
    async open() {
      const collectionName = `c${++collections}`;
      const store = await open({ ...address(), collectionName });
      const advance = (ms: number): Promise<void> => withMongo(server.port, 'daprStore', (db) => ageMongo(db, collectionName, ms));
      return { store, advance, destroy: () => store.close() };
    },
  });
  it('keeps Dapr’s format, and gives back bytes that it does not keep as they are', async () => {
    const collectionName = 'format';
    const store = await open({ ...address(), collectionName });
    const stored = (key: string) =>
      withMongo(server.port, 'daprStore', (db) => db.collection<Document & { _id: string }>(collectionName).findOne({ _id: key }));
    const texts = {
      document: '{"a":1,"b":[1,{"c":"ä"}],"d":null,"e":1.5,"f":true}',
      list: '[1,"x"]',
      spaced: '{ "a": 1.0, "b": "\\u00e4", "a": 2 }',
      numbers: '{"big":12345678901234567890,"2":1,"1":2}',
      text: '"a JSON text"',
      dollar: '{"$gt":1}',
      dotted: '{"a":{"b.c":1}}',
      huge: '{"a":1e999}',
      broken: '{"a":',
      number: '17',
    };
    for (const [key, text] of Object.entries(texts)) await store.set({ key, data: bytes(text) });
    for (const [key, text] of Object.entries(texts)) expect(textOf((await store.get({ key }))?.data)).toBe(text);
    const { etag } = (await store.get({ key: 'document' })) ?? {};
    expect(await stored('document')).toEqual({ _id: 'document', value: JSON.parse(texts.document) as object, _etag: etag, _ttl: null });
    expect(await stored('list')).toMatchObject({ value: [1, 'x'] });
    const spaced = await stored('spaced');
    expect(spaced).toMatchObject({
      value: { a: 2, b: 'ä' },
      _proa: { text: texts.spaced, etag: (await store.get({ key: 'spaced' }))?.etag },
    });
    expect(await stored('numbers')).toMatchObject({ value: { big: 12345678901234567000, '1': 2, '2': 1 } });
    for (const key of ['text', 'dollar', 'dotted', 'huge', 'broken', 'number'] as const)
      expect(await stored(key)).toMatchObject({ value: texts[key] });
    await store.set({ key: 'bytes', data: new Uint8Array([0, 255, 128]), ttlSeconds: 60 });
    const binary = await stored('bytes');
    expect(binary?.['value']).toBeInstanceOf(Binary);
    expect(Math.abs(Number(binary?.['_ttl']) - Date.now() - 60_000)).toBeLessThan(30_000);
    const whole = `{"a":"${'x'.repeat(1024 * 1024)}"}`;
    await store.set({ key: 'whole', data: bytes(whole) });
    expect((await stored('whole'))?.['value']).toBe(whole);
    await store.close();
  });

  it('reads what Dapr and others wrote, and is not misled by what is left of its own', async () => {
    const collectionName = 'theirs';
    const store = await open({ ...address(), collectionName });
    await store.set({ key: 'k', data: bytes('{ "mine": 1 }') });
    await withMongo(server.port, 'daprStore', async (db) => {
      const collection = db.collection<Document & { _id: string }>(collectionName);
      // As Dapr's update leaves it: all that it does not know stays.
      await collection.updateOne({ _id: 'k' }, { $set: { value: { theirs: 2 }, _etag: 'e2', _ttl: null } });
      await collection.insertMany([
        { _id: 'text', value: '{"a":1}', _etag: 'e1', _ttl: null },
        { _id: 'double', value: new Double(5), _etag: 'e1' },
        {
          _id: 'nested',
          value: { int: new Int32(1), long: Long.fromNumber(2 ** 40), whole: new Double(2), half: 2.5, none: null },
          _etag: 'e1',
        },
        { _id: 'date', value: { at: new Date(0) }, _etag: 'e1' },
        { _id: 'list', value: [1, { a: 2 }], _etag: 'e1' },
        { _id: 'none', value: null, _etag: 'e1' },
        { _id: 'ended', value: 'x', _etag: 'e1', _ttl: new Date(1_000) },
      ]);
    });
    await withMongo(server.port, 'daprStore', (db) => db.collection(collectionName).insertOne({ value: { no: 'state' } }));
    expect((await store.query?.({ sort: [] }, {}))?.items).toHaveLength(7);
    expect((await store.keys?.('', { limit: 10 }))?.keys).toHaveLength(7);
    const read = async (key: string) => textOf((await store.get({ key }))?.data);
    expect(await read('k')).toBe('{"theirs":2}');
    expect(await read('text')).toBe('{"a":1}');
    expect(await read('double')).toBe('5');
    expect(await read('nested')).toBe('{"int":1,"long":1099511627776,"whole":2,"half":2.5,"none":null}');
    expect(await read('date')).toBe('{"at":{"$date":"1970-01-01T00:00:00Z"}}');
    expect(await read('list')).toBe('[1,{"a":2}]');
    expect(await read('none')).toBe('null');
    expect(await read('ended')).toBeUndefined();
    await store.set({ key: 'text', data: bytes('2'), etag: 'e1' });
    await store.set({ key: 'ended', data: bytes('3'), concurrency: 'first-write' });
    expect([await read('text'), await read('ended')]).toEqual(['2', '3']);
    await store.close();
  });

  it('keeps any JSON, but for what the server refuses', async () => {
    const store = await open({ ...address(), collectionName: 'any' });
    await fc.assert(
      fc.asyncProperty(anyJson, async (json) => {
        const refusal = await failed(store.set({ key: 'k', data: bytes(json) }));
        if (refusal.message.includes('nested arrays are not supported')) return;
        expect(textOf((await store.get({ key: 'k' }))?.data)).toBe(json);
      }),
      { numRuns: 300 },
    );
    await store.close();
  });

  it('asks in MongoDB’s dialect, and never takes a value for an operator', async () => {
    const store = await open({ ...address(), collectionName: 'queries' });
    const people = {
      '1': '{ "tags": ["x", "y"], "n": 1 }',
      '2': '{"tags":"x","n":null}',
      '3': '{"n":"1"}',
      '4': 'text',
      '5': '{"list":[{"a":1},{"a":2}]}',
    };
    for (const [key, value] of Object.entries(people)) await store.set({ key: `app||${key}`, data: bytes(value) });
    await store.set({ key: 'app||gone', data: bytes('{"n":1}'), ttlSeconds: 1_000 });
    await withMongo(server.port, 'daprStore', (db) => ageMongo(db, 'queries', 2_000_000));
    const keysOf = async (filter: StateFilter): Promise<string> => {
      const page = await store.query?.({ keyPrefix: 'app||', filter, sort: [] }, {});
      return (page?.items ?? []).map(({ key }) => key.slice(5)).join('');
    };
    const eq = (path: string, value: unknown) => keysOf({ op: 'EQ', path, value });
    expect(await eq('tags', 'x')).toBe('12');
    expect(await eq('list.a', 2)).toBe('5');
    expect(await eq('n', 1)).toBe('1');
    expect(await eq('n', null)).toBe('245');
    expect(await eq('n', { $gt: 0 })).toBe('');
    expect(await eq('n', { $ne: 5 })).toBe('');
    expect(await eq('$where', 1)).toBe('');
    expect(await keysOf({ op: 'GT', path: 'n', value: '0' })).toBe('3');
    expect(await keysOf({ op: 'IN', path: 'n', values: [1, '1'] })).toBe('13');
    const all = await store.query?.({ sort: [{ path: 'n', order: 'DESC' }] }, {});
    expect(all?.items.map(({ key }) => key.slice(5))).toEqual(['3', '1', '2', '4', '5']);
    expect(textOf(all?.items[1]?.data)).toBe(people['1']);
    await store.close();
  });

  it('scans prefixes that end with the last of all characters', async () => {
    const store = await open({ ...address(), collectionName: 'prefixes' });
    const last = String.fromCodePoint(0x10_ff_ff);
    const keys = ['a', `a${last}`, `a${last}b`, 'b', last, `${last}x`, '\ud7ff', '\ud7ffz', '\ue000'];
    for (const key of keys) await store.set({ key, data: bytes('1') });
    const found = async (prefix: string) => (await store.keys?.(prefix, { limit: 10 }))?.keys;
    expect(await found(`a${last}`)).toEqual([`a${last}`, `a${last}b`]);
    expect(await found(last)).toEqual([last, `${last}x`]);
    expect(await found('\ud7ff')).toEqual(['\ud7ff', '\ud7ffz']);
    expect(await store.deleteWithPrefix?.(last)).toBe(2);
    await store.close();
  });

  it('removes what has ended when the server does not', async () => {
    const clock = createFakeClock();
    const time = { ...clock, mono: () => clock.mono(), now: () => Date.now() };
    const store = await driver.open(
      v.parse(driver.config, { ...address(), collectionName: 'sweep' }),
      testDriverContext({ clock: time, random: createNodeRandom() }),
    );
    for (const key of ['kept', 'ended']) await store.set({ key, data: bytes('1'), ttlSeconds: key === 'kept' ? 4_000 : 10 });
    await withMongo(server.port, 'daprStore', (db) => ageMongo(db, 'sweep', 1_000_000));
    clock.advance(60_000);
    const left = () => withMongo(server.port, 'daprStore', (db) => db.collection('sweep').countDocuments());
    await expect.poll(left).toBe(1);
    await store.close();
    expect(clock.waiting).toBe(0);
  });

  it('refuses a value that fits no document, and only that', async () => {
    const store = await open({ ...address(), collectionName: 'large' });
    const error = await failed(store.set({ key: 'k', data: new Uint8Array(17 * 1024 * 1024) }));
    expect(error).toMatchObject({ code: 'bad-request', message: expect.stringContaining('too large') as string });
    await store.set({ key: 'most', data: new Uint8Array(16 * 1024 * 1024 - 8 * 1024).fill(120) });
    expect((await store.get({ key: 'most' }))?.data.length).toBe(16 * 1024 * 1024 - 8 * 1024);
    const outcomes = await store.bulkSet([upsert('a', '1'), { key: 'k', data: new Uint8Array(17 * 1024 * 1024) }]);
    expect(outcomes.map(({ error: each }) => each === undefined)).toEqual([true, false]);
    expect(await store.get({ key: 'k' })).toBeUndefined();
    await store.close();
  });
});

describe.runIf(ferretdb !== undefined)('state.mongodb, a server that fails', () => {
  it('tells a silent server from one that is away, never guesses what became of a write, and goes on when it is back', async () => {
    const server = await startMongo(ferretdb as string);
    const between = await startMute(server.port);
    // Short, but not so short that a machine which stands still for a moment looks like a slow server.
    const store = await open({ host: `127.0.0.1:${between.port}`, operationTimeout: '2s' });
    const set = (value: string) => store.set({ key: 'k', data: bytes(value) });
    const back = async (value: string): Promise<void> => {
      await expect.poll(() => set(value).catch((error: Error) => error.message), { timeout: 20_000 }).toBeUndefined();
      expect(textOf((await store.get({ key: 'k' }))?.data)).toBe(value);
    };
    await set('1');
    between.mute = true;
    expect(await failed(set('2'))).toMatchObject({ code: 'engine.outcome-unknown' });
    expect(await failed(store.get({ key: 'k' }))).toMatchObject({ code: 'unavailable' });
    between.mute = false;
    between.cut();
    await back('3');
    await server.stop();
    expect(['unavailable', 'engine.outcome-unknown']).toContain((await failed(set('4'))).code);
    expect(await failed(set('5'))).toMatchObject({ code: 'unavailable', message: expect.stringContaining('state.mongodb') as string });
    expect(await failed(store.get({ key: 'k' }))).toMatchObject({ code: 'unavailable' });
    await server.start();
    await back('6');
    await store.close();
    await store.close();
    expect(await failed(store.get({ key: 'k' }))).toMatchObject({ code: 'unavailable' });
    await Promise.all([between.close(), server.destroy()]);
  });

  it('says what the server says when it lets nobody in, and does not believe the name of a replica set', async () => {
    const users = ['--test-enable-new-auth', '--setup-database=admin', '--setup-username=p@x', '--setup-password=canary/1'];
    const server = await startMongo(ferretdb as string, [...users, '--repl-set-name=rs']);
    const place = { host: `127.0.0.1:${server.port}`, params: '?authSource=admin' };
    for (const metadata of [
      { ...place, username: 'p@x', password: 'canary/1' },
      { ...place, username: 'p%40x', password: 'canary%2F1', params: 'authSource=admin' },
      { connectionString: `mongodb://p%40x:canary%2F1@127.0.0.1:${server.port}/admin` },
    ]) {
      lines.length = 0;
      const store = await open(metadata);
      await store.set({ key: 'k', data: bytes('1') });
      expect(store.transact).toBeUndefined();
      const component = {
        name: 's',
        type: 'state.mongodb',
        properties: { actorStateStore: 'true' },
        driver: store,
      } as unknown as Component<'state'>;
      expect(() => checkActorStore(component)).toThrow('no transactions');
      expect(lines.join()).toContain('has no transactions');
      await store.close();
    }
    for (const wrong of [
      { username: 'p@x', password: 'canary-wrong' },
      { username: 'nobody', password: 'canary/1' },
    ]) {
      const error = await failed(open({ ...place, ...wrong }));
      expect(error).toMatchObject({ code: 'component.init-failed', message: expect.stringContaining('Authentication failed') as string });
      expect(error.message).not.toContain('canary');
    }
    expect(await failed(open(place))).toMatchObject({ message: expect.stringContaining('requires authentication') as string });
    await server.destroy();
  });
});

describe('state.mongodb, its configuration', () => {
  it.each([
    [{}, /must say where the server is/],
    [{ host: 'a', server: 'b' }, /must say where the server is/],
    [{ host: 'a', username: 'u' }, /need each other/],
    [{ connectionString: 'postgres://canary@x' }, /must begin with mongodb/],
    [{ connectionString: 'mongodb://u:canary@' }, /state.mongodb: /],
    [{ connectionString: 'mongodb://u:canary@host/?nonsense=1' }, /nonsense/],
    [{ host: 'h', username: 'u', password: 'canary', params: '?tls=maybe' }, /tls/],
    [{ host: '127.0.0.1:1', params: '?w=0' }, /nobody acknowledges/],
    [{ host: '127.0.0.1:1', operationTimeout: '500ms' }, /ECONNREFUSED/],
    [{ host: '127.0.0.1:1', databaseName: 'a b', operationTimeout: '500ms' }, /state.mongodb: /],
  ])('refuses %j', async (metadata: Record<string, string>, message) => {
    const error = await failed(open(metadata));
    expect(error).toMatchObject({ code: 'component.init-failed', message: expect.stringMatching(message) as string });
    expect(error.message).not.toContain('canary');
  });

  it('refuses values that are none', () => {
    for (const wrong of [
      { writeconcern: 'all' },
      { writeconcern: '0' },
      { readconcern: 'none' },
      { operationTimeout: '0' },
      { databaseName: '' },
      { hots: 'a' },
    ])
      expect(v.safeParse(driver.config, { host: 'a', ...wrong }).success).toBe(false);
    expect(v.parse(driver.config, { host: 'a', writeconcern: '', readconcern: '' })).toMatchObject({
      databaseName: 'daprStore',
      operationTimeout: 5_000,
    });
  });

  it.each([
    [{ host: 'a:1,b:2', params: '?replicaSet=rs' }, 'mongodb://a:1,b:2/daprStore?replicaSet=rs'],
    [{ host: 'a:1', username: 'u', password: 'p', params: 'tls=true' }, 'mongodb://u:p@a:1/daprStore?tls=true'],
    [{ host: 'a:1', username: 'u', password: 'p%2Fq' }, 'mongodb://u:p%2Fq@a:1/daprStore'],
    [{ host: 'a:1', username: 'u', password: 'p%2q' }, 'mongodb://u:p%252q@a:1/daprStore'],
    [{ server: 's.example', username: 'u', password: 'p' }, 'mongodb+srv://u:p@s.example/daprStore'],
    [{ server: 's.example', params: '?w=1' }, 'mongodb+srv://s.example/?w=1'],
    [{ host: 'ignored', connectionString: 'mongodb://x/y' }, 'mongodb://x/y'],
  ])('means by %j what Dapr means', (properties, uri) => {
    expect(connectionStringOf({ databaseName: 'daprStore', ...properties })).toBe(uri);
  });
});
