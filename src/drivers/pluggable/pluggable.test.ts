import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { nodePorts } from '../../ports/node/index.ts';
import type { DriverDefinition, DriverKind, DriverKinds } from '../../contracts/driver.ts';
import type { InputBinding } from '../../contracts/binding.ts';
import type { StateStore } from '../../contracts/state.ts';
import { bindingSuite } from '../../testing/binding-suite.ts';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { eventually, openInbox, pubSubSuite, send } from '../../testing/pubsub-suite.ts';
import { secretsSuite } from '../../testing/secrets-suite.ts';
import { bytes, textOf } from '../../testing/state-suite-rig.ts';
import { stateSuite } from '../../testing/state-suite.ts';
import { bindingServices, pubSubServices, secretServices, stateServices } from '../../../test/fixtures/pluggable-components.ts';
import {
  createSocketFolder,
  servePluggable,
  type ComponentService,
  type PluggableServer,
} from '../../../test/fixtures/pluggable-server.ts';
import { discoverPluggable } from './discover.ts';

const ports = nodePorts();
const folder = createSocketFolder();
const servers: PluggableServer[] = [];
const lines: string[] = [];
let count = 0;

async function serve(file: string, services: readonly ComponentService[]): Promise<PluggableServer> {
  const server = await servePluggable(join(folder.path, file), services);
  servers.push(server);
  return server;
}

/** Finds the type in the folder as the host does, and opens it under a name of its own. */
async function openType<Kind extends DriverKind>(
  type: `${Kind}.${string}`,
  properties: Readonly<Record<string, string>> = {},
  name = `component-${++count}`,
): Promise<DriverKinds[Kind]> {
  const found = await discoverPluggable(ports, recordingLogger(lines), folder.path);
  const definition = (await found[type]?.load()) as DriverDefinition;
  const context = testDriverContext({ ...ports, name, log: recordingLogger(lines) });
  return (await definition.open(v.parse(definition.config, properties) as never, context)) as DriverKinds[Kind];
}

afterAll(async () => {
  for (const server of servers) await server.stop();
  folder.remove();
});

const memoryClock = createFakeClock();
beforeAll(async () => {
  await serve('mem.sock', stateServices({ clock: memoryClock, random: ports.random, features: ['ETAG', 'TRANSACTIONAL', 'TTL'] }));
  await serve('vault.v2.sock', secretServices({}));
});

stateSuite({
  name: 'pluggable',
  capabilities: ['ETAG', 'TRANSACTIONAL', 'TTL', 'ACTOR'],
  async open() {
    const store = await openType('state.mem');
    return { store, advance: memoryClock.advance, destroy: () => store.close() };
  },
});

pubSubSuite({
  name: 'pluggable',
  capabilities: ['BULK_PUBSUB'],
  durable: false,
  async open() {
    const server = await serve(`bus${++count}.sock`, pubSubServices({ clock: ports.clock }));
    const broker = await openType(`pubsub.bus${count}`);
    return {
      broker,
      async destroy() {
        await broker.close();
        await server.stop();
      },
    };
  },
});

secretsSuite({
  name: 'pluggable',
  async open(secrets) {
    await serve(`vault${++count}.sock`, secretServices(Object.fromEntries(Object.entries(secrets).map(([k, s]) => [k, { [k]: s }]))));
    return openType(`secretstores.vault${count}`);
  },
  async openMultiple(secrets) {
    await serve(`vault${++count}.sock`, secretServices(secrets));
    return openType(`secretstores.vault${count}`);
  },
});

const echo = bindingServices();
let [readers, deliveries] = [0, 0];
bindingSuite({
  name: 'pluggable',
  async open() {
    if (!servers.some(({ socket }) => socket.endsWith('/echo.sock'))) await serve('echo.sock', echo.services);
    const binding = await openType('bindings.echo');
    return { ...binding, input: { read: (deliver) => watchedRead(binding.input as InputBinding, deliver) } };
  },
  example: { operation: 'echo', data: 'hello', metadata: { a: 'b' } },
  // A stream that is open on our side is not yet known to the component.
  async cause() {
    const before = deliveries;
    if (readers === 0) return;
    await eventually(() => echo.cause('tick') > 0, 'a reader');
    await eventually(() => deliveries > before, 'a delivery');
  },
});

async function watchedRead(input: InputBinding, deliver: Parameters<InputBinding['read']>[0]) {
  const stop = await input.read((event) => {
    deliveries++;
    return deliver(event);
  });
  readers++;
  return async () => {
    readers--;
    await stop();
  };
}

describe('the sockets of pluggable components', () => {
  it('give types by their file names, and leave out what is no component, with a warning', async () => {
    writeFileSync(join(folder.path, 'notes.txt'), 'no socket');
    const dead = await serve('dead.sock', secretServices({}));
    await dead.stop();
    writeFileSync(join(folder.path, 'dead.sock'), '');
    const log: string[] = [];
    const found = await discoverPluggable(ports, recordingLogger(log), folder.path);
    expect(Object.keys(found)).toEqual(expect.arrayContaining(['state.mem', 'secretstores.vault.v2']));
    expect(Object.keys(found)).not.toContain('secretstores.dead');
    expect(log.filter((line) => line.startsWith('warn')).join()).toContain('notes.txt is no socket');
  });
});

describe('pluggable state stores', () => {
  const opened: StateStore[] = [];
  const open = async (name: string, options: Partial<Parameters<typeof stateServices>[0]>, properties = {}) => {
    await serve(`${name}.sock`, stateServices({ clock: ports.clock, random: ports.random, ...options }));
    const store = await openType(`state.${name}`, properties, 'orders');
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  it('get their properties at Init, and the name of the component with every call', async () => {
    const seen = { init: {}, calls: [] as string[] };
    const store = await open('seen', { seen }, { url: 'somewhere', Mixed: 'Case' });
    await store.set({ key: 'k', data: bytes('v') });
    expect(seen).toMatchObject({ init: { url: 'somewhere', Mixed: 'Case' }, calls: ['orders'] });
    expect(store.transactionOperationsMax).toBe(500);
    await store.ping?.();
  });

  it('fail to open with what the component says', async () => {
    await expect(open('refusing', {}, { fail: 'no such database' })).rejects.toThrow('no such database');
  });

  it('are read and written one by one when the component has no bulk calls', async () => {
    const store = await open('plain', { without: ['bulkGet', 'bulkSet', 'bulkDelete'] });
    const pairs = ['a', 'b', 'c'].map((key) => ({ key, data: bytes(key) }));
    expect(await store.bulkSet(pairs)).toEqual([{ key: 'a' }, { key: 'b' }, { key: 'c' }]);
    const found = await store.bulkGet([{ key: 'c' }, { key: 'x' }, { key: 'a' }], 2);
    expect(found.map(({ value }) => textOf(value?.data))).toEqual(['c', undefined, 'a']);
    await store.bulkDelete(pairs);
    expect(await store.get({ key: 'a' })).toBeUndefined();
  });

  it('get queries in Dapr’s form, and never show what is outside of the prefix', async () => {
    const seen: NonNullable<Parameters<typeof stateServices>[0]['seen']> = { calls: [] };
    const store = await open('query', { features: ['QUERY_API'], seen });
    const page = await store.query?.(
      {
        keyPrefix: 'app||',
        filter: {
          op: 'OR',
          filters: [
            { op: 'EQ', path: 'a.b', value: 1 },
            { op: 'IN', path: 'c', values: ['x', 'y'] },
          ],
        },
        sort: [{ path: 'a', order: 'DESC' }],
        limit: 7,
        token: 't',
      },
      { m: '1' },
    );
    expect(page).toMatchObject({ items: [{ key: 'app||1', etag: 'e' }], token: 'next', metadata: {} });
    expect(page?.items.map(({ data }) => textOf(data))).toEqual(['1']);
    const asked = seen.query?.query;
    expect(Buffer.from(asked?.filter['OR']?.value ?? []).toString()).toBe('[{"EQ":{"a.b":1}},{"IN":{"c":["x","y"]}}]');
    expect(asked).toMatchObject({ sort: [{ key: 'a', order: 1 }], pagination: { limit: 7n, token: 't' } });
    expect(store.capabilities).toEqual(['QUERY_API']);
  });
});

describe('pluggable brokers', () => {
  it('get verdicts as acknowledgements, none for what fails at the end, and are the group of the app', async () => {
    const seen = { init: {} as Record<string, string>, acks: [] as string[], streams: [] };
    await serve('acks.sock', pubSubServices({ clock: ports.clock, seen }));
    const broker = await openType('pubsub.acks');
    expect(seen.init['consumerID']).toBe('app');
    let release = (): void => {};
    const inbox = await openInbox(broker, {
      answer: (text) => (text === 'slow' ? new Promise((resolve) => (release = () => resolve('retry'))) : text === 'bad' ? 'retry' : 'ack'),
    });
    await eventually(() => seen.streams.length === 1, 'the stream');
    for (const text of ['good', 'bad', 'slow']) await send(broker, text);
    await inbox.until(3);
    await eventually(() => seen.acks.length === 2, 'two acknowledgements');
    const closing = inbox.subscription.close(5_000);
    release();
    await closing;
    expect(seen.acks.toSorted()).toEqual(['ack 1', 'nack 2']);
    await broker.close();
  });

  it('are subscribed again when the stream breaks', async () => {
    const seen = { acks: [] as string[], streams: [] as { fail(code: number, message: string): void }[] };
    await serve('flaky.sock', pubSubServices({ clock: ports.clock, seen: seen as never }));
    const broker = await openType('pubsub.flaky');
    const inbox = await openInbox(broker);
    await eventually(() => seen.streams.length === 1, 'the first stream');
    seen.streams[0]?.fail(14, 'going away');
    await eventually(() => seen.streams.length === 2, 'the second stream');
    await send(broker, 'after');
    await inbox.until(1);
    await broker.close();
  });

  it('say for each message of a bulk whether it was taken', async () => {
    await serve('bulk.sock', pubSubServices({ clock: ports.clock }));
    const broker = await openType('pubsub.bulk');
    const results = await broker.publishMany?.([
      { topic: 'a', data: bytes('1'), metadata: {} },
      { topic: 'b', data: bytes('2'), metadata: { refuse: 'yes' } },
      { topic: 'a', data: bytes('3'), metadata: {} },
    ]);
    expect(results?.map((error) => error?.message)).toEqual([undefined, 'refused', undefined]);
    await broker.close();
  });
});

describe('pluggable input bindings', () => {
  it('get the app’s answers and failures', async () => {
    const feed = bindingServices();
    await serve('feed.sock', feed.services);
    const binding = await openType('bindings.feed');
    const stop = await binding.input?.read(async ({ data, contentType, metadata }) => {
      if (textOf(data) === 'bad') throw new Error('the app said 500');
      return { data: bytes(`${textOf(data)} ${contentType} ${metadata['from']}`) };
    });
    await eventually(() => feed.cause('good') > 0, 'a reader');
    feed.cause('bad');
    await eventually(() => feed.answers.length === 2, 'both answers');
    expect(feed.answers.toSorted().map((answer) => answer.replace(/^m\d+ /, ''))).toEqual([
      'good text/plain component',
      '! the app said 500',
    ]);
    await stop?.();
    await binding.close();
  });
});
