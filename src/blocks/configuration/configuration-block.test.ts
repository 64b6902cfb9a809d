import { expect, it, vi } from 'vitest';
import type { AppChannel } from '../../contracts/app-channel.ts';
import { type Component, type ComponentSet, fixedComponents } from '../../contracts/component-set.ts';
import type { ConfigurationItems, ConfigurationStore } from '../../contracts/configuration.ts';
import type { Govern, Target } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { createCall } from '../../kernel/call.ts';
import type { ProaError } from '../../kernel/errors.ts';
import { silentLogger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import configurationDriver from '../../drivers/configuration-engine/index.ts';
import { createEngineConfiguration } from '../../drivers/configuration-engine/engine-configuration.ts';
import { createMemoryContents, createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { createConfigurationBlock, type ConfigurationDeps } from './index.ts';

const clock = createFakeClock();
const random = createNodeRandom();
const call = <In>(input: In) => createCall({ block: 'configuration', name: 'test', idempotent: true }, input);
const failure = (promise: Promise<unknown>): Promise<ProaError> =>
  promise.then(
    () => expect.fail('it did not fail'),
    (error: ProaError) => error,
  );
const metadata = {};
const store = 'config';

function component(driver: ConfigurationStore): Component<'configuration'> {
  return { name: store, type: 'configuration.proa', version: 'v1', properties: {}, definition: configurationDriver as never, driver };
}

function engineStore(): ConfigurationStore {
  const engine = createMemoryEngine({ clock, contents: createMemoryContents() });
  return createEngineConfiguration({ engine, clock, log: silentLogger, namespace: '', space: 's' });
}

function setUp(deps: Partial<ConfigurationDeps> = {}, errors: string[] = []) {
  const targets: Target[] = [];
  const context = {
    ports: { clock, random } as unknown as Ports,
    log: { ...silentLogger, error: (message: string) => void errors.push(message) },
    metrics: noMetrics,
    appId: 'app',
    namespace: '',
    govern: ((target, service) => (targets.push(target), service)) as Govern,
  };
  const block = createConfigurationBlock(context, { stores: fixedComponents([component(engineStore())]), ...deps });
  const put = (items: Record<string, string>) =>
    block.put(call({ store, items: Object.fromEntries(Object.entries(items).map(([key, value]) => [key, { value }])) }));
  const subscribe = (keys: string[] = [], push?: (id: string, items: ConfigurationItems) => void) =>
    block.subscribe(call({ store, keys, metadata, ...(push && { push }) }));
  return { block, put, subscribe, targets };
}

const settle = async () => {
  for (let step = 0; step < 10; step++) {
    clock.advance(4);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

/** An app that remembers what it was told; `answer` may fail or wait. */
function app(answer: (key: string) => Promise<void> = async () => {}) {
  const told: string[] = [];
  const channel: Partial<AppChannel> = {
    async configuration({ input }) {
      const [[key, item] = ['', undefined], ...more] = Object.entries(input.items);
      expect(more).toEqual([]);
      told.push(`${input.store} ${key}=${item?.value}`);
      await answer(key);
    },
  };
  return { told, channel: () => channel as AppChannel };
}

it('gets items and says what is wrong as Dapr does', async () => {
  const { block, put } = setUp();
  await put({ a: '1', b: '2' });
  expect(await block.get(call({ store, keys: ['a', 'x'], metadata }))).toMatchObject({ a: { value: '1', version: expect.any(String) } });
  expect(await failure(block.get(call({ store: 'nope', keys: [], metadata })))).toMatchObject({
    code: 'configuration.not-found',
    message: 'configuration store nope not found',
  });
  const none = setUp({ stores: fixedComponents<'configuration'>([]) });
  expect(await failure(none.subscribe())).toMatchObject({
    code: 'configuration.not-configured',
    message: 'configuration stores not configured',
  });
  const broken = { ...engineStore(), get: () => Promise.reject(new Error('boom')) };
  const { block: failing } = setUp({ stores: fixedComponents([component(broken)]) });
  expect(await failure(failing.get(call({ store, keys: ['a', 'b'], metadata })))).toMatchObject({
    code: 'configuration.get',
    message: 'failed to get [a b] from Configuration store config: boom',
  });
  expect(await failure(block.get(call({ store, keys: [''], metadata })))).toMatchObject({ code: 'malformed-request' });
});

it('hands a stream one item at a time, also when several changed at once', async () => {
  const { put, subscribe } = setUp();
  const heard: [string, string[]][] = [];
  const id = await subscribe(['a', 'b'], (to, items) =>
    heard.push([to, Object.entries(items).map(([key, { value }]) => `${key}=${value}`)]),
  );
  await put({ a: '1', b: '2', c: '3' });
  await settle();
  expect(heard).toEqual([
    [id, ['a=1']],
    [id, ['b=2']],
  ]);
});

it('calls the app once per changed key until it is unsubscribed', async () => {
  const { told, channel } = app();
  const { block, put, subscribe, targets } = setUp({ channel });
  const id = await subscribe(['a', 'b']);
  await put({ a: '1', b: '2', c: '3' });
  await settle();
  expect(told.toSorted()).toEqual(['config a=1', 'config b=2']);
  expect(targets.find(({ direction }) => direction === 'inbound')).toMatchObject({ operation: 'update', name: store });
  await block.remove(call({ store, keys: ['a'] }));
  await settle();
  expect(told.at(-1)).toBe('config a=');
  expect(await block.unsubscribe(call({ store, id }))).toEqual({ ok: true });
  await put({ a: '4' });
  await settle();
  expect(told).toHaveLength(3);
  expect(await block.unsubscribe(call({ store, id }))).toEqual({
    ok: false,
    message: `failed to unsubscribe to configuration request ${id}: subscription with id ${id} does not exist`,
  });
});

it('needs an app channel or a push function', async () => {
  const { subscribe, put, block } = setUp();
  expect(await failure(subscribe())).toMatchObject({
    code: 'app-channel-nil',
    message: 'app channel is not initialized. cannot subscribe to configuration updates',
  });
  const push = vi.fn<(id: string, items: ConfigurationItems) => void>();
  const id = await subscribe([], push);
  await put({ a: '1' });
  await settle();
  expect(push.mock.calls).toEqual([[id, expect.objectContaining({ a: expect.objectContaining({ value: '1' }) })]]);
  await block.close();
  await put({ a: '2' });
  await settle();
  expect(push).toHaveBeenCalledTimes(1);
});

it('goes on after a failing delivery, and gives a slow app only the latest value', async () => {
  const errors: string[] = [];
  let release = () => {};
  const { told, channel } = app((key) =>
    key === 'bad' ? Promise.reject(new Error('500')) : key === 'slow' ? new Promise((resolve) => (release = resolve)) : Promise.resolve(),
  );
  const { put, subscribe } = setUp({ channel }, errors);
  await subscribe();
  await put({ bad: '1' });
  await settle();
  expect(errors).toEqual(['error sending configuration item "bad" to the app']);
  await put({ slow: '1' });
  await settle();
  for (const value of ['2', '3']) {
    await put({ other: value });
    await settle();
  }
  release();
  await settle();
  expect(told).toEqual(['config bad=1', 'config slow=1', 'config other=3']);
});

it('lets changes wait while the app is not well; the last value of each key arrives when it is back, and what failed meanwhile', async () => {
  const errors: string[] = [];
  let well = false;
  const { told, channel } = app(() => (well ? Promise.resolve() : Promise.reject(new Error('503'))));
  const { block, put, subscribe } = setUp({ channel }, errors);
  await subscribe();
  await put({ early: '1' });
  await settle();
  expect([told, errors.length]).toEqual([['config early=1'], 1]);
  block.pause();
  for (const value of ['1', '2', '3']) {
    await put({ a: value });
    await settle();
  }
  // One that begins meanwhile waits as well.
  await subscribe(['b']);
  await put({ b: '1' });
  await settle();
  expect(told).toHaveLength(1);
  well = true;
  block.resume();
  await settle();
  expect(told.slice(1).toSorted()).toEqual(['config a=3', 'config b=1', 'config b=1', 'config early=1']);
  block.resume();
  await settle();
  expect([told.length, errors.length]).toEqual([5, 1]);
});

it('repeats what was under way, and failed, when the app became well', async () => {
  const errors: string[] = [];
  let fail: (error: Error) => void = () => {};
  const { told, channel } = app(() => (told.length > 1 ? Promise.resolve() : new Promise((_resolve, reject) => (fail = reject))));
  const { block, put, subscribe } = setUp({ channel }, errors);
  await subscribe();
  await put({ a: '1' });
  await settle();
  expect(told).toEqual(['config a=1']);
  block.pause();
  block.resume();
  fail(new Error('nobody listened when it was sent'));
  await settle();
  expect([told, errors.length]).toEqual([['config a=1', 'config a=1'], 1]);
  // A newer value goes first, and the old one never again.
  const later = app((key) =>
    key === 'b' && later.told.length === 1 ? new Promise((_resolve, reject) => (fail = reject)) : Promise.resolve(),
  );
  const second = setUp({ channel: later.channel }, errors);
  await second.subscribe();
  await second.put({ b: 'old' });
  await settle();
  second.block.resume();
  await second.put({ b: 'new' });
  await settle();
  fail(new Error('too early'));
  await settle();
  expect(later.told).toEqual(['config b=old', 'config b=new']);
});

it('continues subscriptions on the new component after a reload, and ends them with the component', async () => {
  const { told, channel } = app();
  let current: Component<'configuration'> | undefined = component(engineStore());
  let changed: (change: { added: string[]; removed: string[] }) => Promise<void> = async () => {};
  const stores: ComponentSet<'configuration'> = {
    get: (name) => (name === store ? current : undefined),
    list: () => (current === undefined ? [] : [current]),
    onChange: (listener) => {
      changed = listener as typeof changed;
      return () => {};
    },
  };
  const { put, subscribe } = setUp({ channel, stores });
  await subscribe(['a']);
  current = component(engineStore());
  await changed({ added: [store], removed: [store] });
  await put({ a: '1' });
  await settle();
  expect(told).toEqual(['config a=1']);
  const { driver } = current;
  current = undefined;
  await changed({ added: [], removed: [store] });
  await driver.put?.({ a: { value: '2' } });
  await settle();
  expect(told).toHaveLength(1);
});

it('refuses to write a store that has its own tools', async () => {
  const readOnly = engineStore();
  delete readOnly.put;
  delete readOnly.remove;
  const { put } = setUp({ stores: fixedComponents([component(readOnly)]) });
  expect(await failure(put({ a: '1' }))).toMatchObject({ code: 'unimplemented' });
});
