import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMachine, type Machine } from '../../test/fixtures/sdk-modes.ts';
import { ProaError } from '../kernel/errors.ts';
import { createApp, type BindingInput, type JobRun } from './app.ts';
import type { Client } from './client.ts';
import { defineContract } from './contract.ts';
import type { TopicEvent } from './event.ts';
import type { Mode } from './place.ts';
import { reply } from './request.ts';
import type { RunningApp } from './serve.ts';

const contract = defineContract({
  app: 'shop',
  methods: {
    price: {
      input: v.object({ item: v.string(), count: v.pipe(v.number(), v.minValue(1)) }),
      output: v.object({ total: v.number() }),
    },
    broken: { output: v.object({ total: v.number() }) },
  },
  events: { placed: { pubsub: 'pubsub', topic: 'typed', data: v.object({ n: v.number() }) } },
});

interface Seen {
  readonly events: { readonly by: string; readonly event: TopicEvent }[];
  readonly bulks: string[][];
  readonly ticks: BindingInput[];
  readonly ran: JobRun[];
  begun: number;
  aborted: number;
  failures: number;
}

function shop(seen: Seen) {
  const note = (by: string) => (event: TopicEvent) => void seen.events.push({ by, event });
  return createApp()
    .handle('orders/{id}', ({ params, query, httpMethod, data, caller, header }) => ({
      id: params['id'],
      colour: query.get('colour'),
      httpMethod,
      data,
      caller,
      extra: header('X-Extra'),
    }))
    .handle('nothing', () => undefined)
    .handle('created', () => reply(201, { made: true }, { 'x-made': 'yes' }))
    .handle('bytes', ({ body }) => Uint8Array.from(body).toReversed())
    .handle('missing', () => {
      throw new ProaError('not-found', 'there is no such order', {
        hint: 'look again',
        details: { reason: 'ORDER_UNKNOWN', metadata: { id: '7' } },
      });
    })
    .handle('bug', () => {
      throw new Error('secret internals');
    })
    .handle(
      'slow',
      ({ signal }) =>
        new Promise((resolve) => {
          seen.begun++;
          const aborted = signal();
          aborted.addEventListener('abort', () => {
            seen.aborted++;
            resolve('too late');
          });
        }),
    )
    .implement(contract, {
      price: ({ item, count }) => ({ total: item.length * count }),
      broken: () => ({ total: 'much' }) as never,
    })
    .subscribe('pubsub', 'plain', note('default'))
    .subscribe('pubsub', 'routed', note('big'), { match: 'event.data.n > 10' })
    .subscribe('pubsub', 'routed', note('small'))
    .subscribe('pubsub', 'again', (event) => {
      note('again')(event);
      if (++seen.failures < 3) throw new Error('not yet');
    })
    .subscribe('pubsub', 'bad', () => 'drop', { deadLetterTopic: 'dead' })
    .subscribe('pubsub', 'dead', note('dead'))
    .subscribeBulk('pubsub', 'many', (events) => void seen.bulks.push(events.map(({ data }) => String((data as { n: number }).n))), {
      maxMessages: 10,
      maxAwaitMs: 100,
    })
    .on(contract.events.placed, note('typed') as never)
    .onBinding('tick', (input) => void seen.ticks.push(input))
    .onJob('greet', (run) => {
      seen.ran.push(run);
      if (seen.ran.filter(({ name }) => name === 'greet').length < 2) throw new Error('not yet');
    })
    .onJob('report-*', (run) => void seen.ran.push(run));
}

describe.each<Mode>(['in-process', 'http', 'grpc'])('the SDK, %s', (mode) => {
  const seen: Seen = { events: [], bulks: [], ticks: [], ran: [], begun: 0, aborted: 0, failures: 0 };
  let machine: Machine;
  let running: RunningApp;
  let client: Client;
  const by = (name: string) => seen.events.filter((entry) => entry.by === name).map(({ event }) => event);

  beforeAll(async () => {
    machine = createMachine();
    running = await machine.serve('shop', mode, shop(seen));
    client = running.client;
  });
  afterAll(() => machine.close());

  it('runs in the mode that the environment names', async () => {
    expect(running.mode).toBe(mode);
    expect((await client.metadata.get()).id).toBe('shop');
  });

  it('keeps state, guards it by etags, and changes several keys at once', async () => {
    expect(await client.state.get('statestore', 'none')).toBeUndefined();
    await client.state.set('statestore', 'cart', { items: ['ü', null, 1.5] });
    const before = await client.state.get<{ items: unknown[] }>('statestore', 'cart');
    expect(before?.value).toEqual({ items: ['ü', null, 1.5] });
    await client.state.set('statestore', 'cart', 'two', { etag: before?.etag ?? '' });
    await expect(client.state.set('statestore', 'cart', 'three', { etag: before?.etag ?? '' })).rejects.toMatchObject({
      code: 'state.save-etag-mismatch',
    });
    await client.state.setMany('statestore', [
      { key: 'a', value: 1 },
      { key: 'b', value: { n: 2 } },
    ]);
    await client.state.transaction('statestore', [{ set: 'c', value: 3 }, { delete: 'cart' }]);
    expect(await client.state.getMany('statestore', ['a', 'b', 'c', 'cart'])).toMatchObject([
      { key: 'a', value: 1 },
      { key: 'b', value: { n: 2 } },
      { key: 'c', value: 3 },
      { key: 'cart' },
    ]);
    await client.state.deleteMany('statestore', ['a', 'c']);
    await client.state.delete('statestore', 'b');
    expect((await client.state.getMany('statestore', ['a', 'b', 'c'])).filter(({ value }) => value !== undefined)).toEqual([]);
    await client.state.set('statestore', 'brief', 1, { ttlSeconds: 60 });
    expect((await client.state.get('statestore', 'brief'))?.metadata['ttlExpireTime']).toMatch(/^\d{4}-/);
  });

  it('asks a store with the query language, page by page', async () => {
    for (const n of [1, 2, 3]) await client.state.set('durable', `q${n}`, { kind: 'query', n });
    const query = { filter: { EQ: { kind: 'query' } }, sort: [{ key: 'n', order: 'DESC' }], page: { limit: 2 } };
    const first = await client.state.query<{ n: number }>('durable', query);
    expect(first.results.map(({ value }) => value.n)).toEqual([3, 2]);
    const second = await client.state.query<{ n: number }>('durable', { ...query, page: { limit: 2, token: first.token } });
    expect(second.results.map(({ value }) => value.n)).toEqual([1]);
  });

  it('publishes, routes by content, repeats what failed, and keeps the dead', async () => {
    await client.publish('pubsub', 'plain', { n: 1 });
    await client.publish('pubsub', 'plain', 'a text', { contentType: 'text/plain' });
    await client.publish('pubsub', 'plain', Uint8Array.of(0, 255));
    await expect.poll(() => by('default').length).toBe(3);
    expect(by('default').map(({ data }) => data)).toEqual(expect.arrayContaining([{ n: 1 }, 'a text', Uint8Array.of(0, 255)]));
    expect(by('default')[0]).toMatchObject({ pubsub: 'pubsub', topic: 'plain', source: 'shop' });
    await client.publish('pubsub', 'routed', { n: 11 });
    await client.publish('pubsub', 'routed', { n: 9 });
    await expect.poll(() => [by('big').length, by('small').length]).toEqual([1, 1]);
    expect(by('big')[0]?.data).toEqual({ n: 11 });
    await client.publish('pubsub', 'again', { n: 1 });
    await expect.poll(() => seen.failures).toBe(3);
    expect(new Set(by('again').map(({ id }) => id)).size).toBe(1);
    await client.publish('pubsub', 'bad', { n: 13 });
    await expect.poll(() => by('dead').length).toBe(1);
  });

  it('publishes and takes many at once', async () => {
    const events = [1, 2, 3].map((n) => ({ id: `e${n}`, data: { n } }));
    expect(await client.publishMany('pubsub', 'many', events)).toEqual([]);
    await expect.poll(() => seen.bulks.flat().toSorted()).toEqual(['1', '2', '3']);
  });

  it('subscribes for as long as it wants to', async () => {
    const got: unknown[] = [];
    const end = await client.subscribe<{ n: number }>('pubsub', 'streamed', ({ data }) => {
      got.push(data.n);
      return got.length === 1 ? 'retry' : undefined;
    });
    await client.publish('pubsub', 'streamed', { n: 5 });
    // At least twice: what a busy machine answers too late comes once more.
    await expect.poll(() => got.slice(0, 2)).toEqual([5, 5]);
    await end();
    await client.publish('pubsub', 'streamed', { n: 6 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(got).not.toContain(6);
    await expect(client.subscribe('nowhere', 't', () => {})).rejects.toBeInstanceOf(ProaError);
  });

  it('invokes methods with paths, queries, headers, bodies and answers of every kind', async () => {
    expect(await client.invoke('shop', 'orders/7?colour=red', { n: 1 }, { headers: { 'X-Extra': 'yes' } })).toEqual({
      id: '7',
      colour: 'red',
      httpMethod: 'POST',
      data: { n: 1 },
      caller: 'shop',
      extra: 'yes',
    });
    expect(await client.invoke('shop', 'orders/a%20b')).toMatchObject({ id: 'a b', httpMethod: 'GET' });
    expect(await client.invoke('shop', 'orders/8', { n: 2 }, { httpMethod: 'PUT' })).toMatchObject({ httpMethod: 'PUT' });
    expect(await client.invoke('shop', 'nothing')).toBeUndefined();
    expect(await client.invoke('shop', 'created')).toEqual({ made: true });
    expect([...(await client.request('shop', 'bytes', Uint8Array.of(1, 2, 3))).body]).toEqual([3, 2, 1]);
    expect([...(await client.invoke<Uint8Array>('shop', 'bytes', Uint8Array.of(0, 255)))]).toEqual([255, 0]);
  });

  it('carries errors as errors: code, reason, hint, and nothing of the inside', async () => {
    const missing = await client.invoke('shop', 'missing').catch((error: unknown) => error as ProaError);
    expect(missing).toBeInstanceOf(ProaError);
    expect(missing).toMatchObject({
      code: 'not-found',
      message: 'there is no such order',
      details: { reason: 'ORDER_UNKNOWN', metadata: { id: '7' } },
    });
    const bug = await client.invoke('shop', 'bug').catch((error: unknown) => error as ProaError);
    expect(bug).toMatchObject({ code: 'internal' });
    expect(String(bug)).not.toContain('secret internals');
    await expect(client.invoke('shop', 'no/such/method')).rejects.toMatchObject({ code: 'not-found' });
    await expect(client.invoke('nobody', 'x')).rejects.toMatchObject({ code: 'invoke.failed' });
    await expect(client.state.get('nowhere', 'k')).rejects.toMatchObject({ code: 'state.not-found' });
    await expect(client.publish('nowhere', 't', 1)).rejects.toMatchObject({ code: 'pubsub.not-found' });
    await expect(client.invoke('shop', 'a%zz')).rejects.toMatchObject({ code: 'bad-request' });
    await expect(client.state.set('statestore', 'k', undefined)).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('says of a name that is not there which one was probably meant', async () => {
    const lock = { resourceId: 'r', owner: 'me', expirySeconds: 9 };
    const key = { keyName: 'key', keyWrapAlgorithm: 'RSA' };
    const asked: readonly [string, string, () => Promise<unknown>][] = [
      ['state.not-found', 'statestore', () => client.state.get('statestor', 'k')],
      ['pubsub.not-found', 'pubsub', () => client.publish('pubsbu', 't', 1)],
      ['secrets.not-found', 'secrets', () => client.secrets.get('secret', 'password')],
      ['configuration.not-found', 'settings', () => client.configuration.get('setings')],
      ['lock.not-found', 'lockstore', () => client.lock.tryLock('lokstore', lock)],
      ['crypto.not-found', 'vault', () => client.crypto.encrypt('valut', new Uint8Array(1), key as never)],
      ['binding.failed', 'files', () => client.binding('fils', 'list')],
      ['invoke.failed', 'shop', () => client.invoke('shpo', 'orders/1')],
    ];
    const told = await Promise.all(asked.map(([, , ask]) => ask().then(String, ({ code, hint }) => [code, hint])));
    expect(told).toEqual(asked.map(([code, meant]) => [code, `did you mean ${meant}?`]));
    await expect(client.state.get('cupboard', 'k')).rejects.toMatchObject({ hint: 'there is durable, statestore' });
  });

  it('gives up in time, and tells the handler', async () => {
    await expect(client.invoke('shop', 'slow', 1, { timeoutMs: 200 })).rejects.toMatchObject({ code: 'deadline-exceeded' });
    // On a busy machine that time may be over before the call has reached the handler.
    const late = seen.begun;
    const controller = new AbortController();
    const call = client.invoke('shop', 'slow', 1, { signal: controller.signal });
    call.catch(() => {});
    await expect.poll(() => seen.begun).toBeGreaterThan(late);
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: 'cancelled' });
    await expect(client.invoke('shop', 'slow', 1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    await expect.poll(() => seen.aborted).toBe(seen.begun);
    expect(seen.aborted).toBeGreaterThan(0);
  });

  it('keeps to contracts on both sides', async () => {
    const { call, publish } = client.of(contract);
    expect(await call.price({ item: 'tea', count: 2 })).toEqual({ total: 6 });
    await expect(call.price({ item: 'tea', count: 0 })).rejects.toMatchObject({
      code: 'bad-request',
      details: { violations: [{ field: 'count' }] },
    });
    await expect(client.invoke('shop', 'price', { item: 3 })).rejects.toMatchObject({
      code: 'bad-request',
      details: { violations: [{ field: 'item' }, { field: 'count' }] },
    });
    await expect(call.broken(null)).rejects.toMatchObject({ code: 'malformed-response' });
    await publish.placed({ n: 4 });
    await expect(publish.placed({ n: 'x' } as never)).rejects.toMatchObject({ code: 'bad-request' });
    await expect.poll(() => by('typed').map(({ data }) => data)).toEqual([{ n: 4 }]);
  });

  it('uses bindings both ways', async () => {
    await client.binding('files', 'create', 'hello', { metadata: { fileName: 'a.txt' } });
    expect(readFileSync(join(machine.directory, 'files', 'a.txt'), 'utf8')).toContain('hello');
    const read = await client.binding('files', 'get', undefined, { metadata: { fileName: 'a.txt' } });
    expect(String(read.data)).toContain('hello');
    await expect.poll(() => seen.ticks.length).toBeGreaterThan(0);
    expect(seen.ticks[0]?.name).toBe('tick');
    await expect(client.binding('nowhere', 'get')).rejects.toBeInstanceOf(ProaError);
  });

  it('reads secrets', async () => {
    expect(await client.secrets.get('secrets', 'password')).toEqual({ password: 'open sesame' });
    expect(await client.secrets.all('secrets')).toEqual({ password: { password: 'open sesame' }, other: { other: 'x' } });
    await expect(client.secrets.get('secrets', 'none')).rejects.toMatchObject({ code: 'secrets.get' });
    await expect(client.secrets.get('nowhere', 'x')).rejects.toMatchObject({ code: 'secrets.not-found' });
  });

  it('reads configuration and follows it', async () => {
    expect((await client.configuration.get('settings', ['colour']))['colour']?.value).toBe('red');
    const changes: (string | undefined)[] = [];
    const stop = await client.configuration.subscribe('settings', ['colour'], (items) => changes.push(items['colour']?.value));
    writeFileSync(join(machine.directory, 'settings.json'), JSON.stringify({ colour: 'blue' }));
    await expect.poll(() => changes).toContain('blue');
    await stop();
    writeFileSync(join(machine.directory, 'settings.json'), JSON.stringify({ colour: 'red' }));
  });

  it('locks', async () => {
    const lock = { resourceId: 'door', owner: 'a', expirySeconds: 60 };
    const first = await client.lock.tryLock('lockstore', lock);
    expect(first.held).toBe(true);
    expect(first.fencingToken).toBeGreaterThan(0);
    expect(await client.lock.tryLock('lockstore', { ...lock, owner: 'b' })).toMatchObject({ held: false });
    expect(await client.lock.unlock('lockstore', { resourceId: 'door', owner: 'b' })).toBe(false);
    expect(await client.lock.unlock('lockstore', { resourceId: 'door', owner: 'a' })).toBe(true);
  });

  it('schedules jobs and runs them', async () => {
    const greet = { dueTime: '1h', data: { text: 'hello' }, failurePolicy: { intervalMs: 100, maxRetries: 2 } } as const;
    await client.jobs.schedule('greet', greet);
    await client.jobs.schedule('report-weekly', {
      schedule: '@weekly',
      dueTime: new Date(Date.now() + 3_600_000),
      repeats: 3,
      missedRuns: 'once',
    });
    expect(await client.jobs.get('greet')).toEqual({ name: 'greet', ...greet });
    expect((await client.jobs.list()).map(({ name }) => name)).toEqual(['greet', 'report-weekly']);
    await expect(client.jobs.schedule('greet', { dueTime: '1h' })).rejects.toMatchObject({ code: 'jobs.exists' });
    await expect(client.jobs.schedule('bad', { schedule: 'now and then' })).rejects.toMatchObject({ code: 'jobs.invalid' });
    // Looked at: now they may run, and be gone.
    await client.jobs.schedule('greet', { ...greet, dueTime: '1ms', overwrite: true });
    await client.jobs.schedule('report-weekly', { dueTime: '1ms', overwrite: true });
    // The first attempt fails.
    await expect.poll(() => seen.ran.length).toBe(3);
    expect(seen.ran.filter(({ name }) => name === 'greet')).toEqual([
      { name: 'greet', data: { text: 'hello' } },
      { name: 'greet', data: { text: 'hello' } },
    ]);
    expect(seen.ran.find(({ name }) => name === 'report-weekly')).toEqual({ name: 'report-weekly', data: undefined });
    await client.jobs.schedule('later', { schedule: '@daily', failurePolicy: 'drop' });
    expect((await client.jobs.get('later')).failurePolicy).toBe('drop');
    await client.jobs.delete('later');
    await client.jobs.deleteAll('');
    expect(await client.jobs.list()).toEqual([]);
    await expect(client.jobs.get('later')).rejects.toMatchObject({ code: 'jobs.get' });
  });

  it('encrypts and decrypts more than one message can hold', async () => {
    const data = Buffer.alloc(300_000, 'proa');
    const sealed = await client.crypto.encrypt('vault', data, { keyName: 'key.pem', keyWrapAlgorithm: 'RSA' });
    expect(Buffer.from(sealed).includes('proaproa')).toBe(false);
    expect(Buffer.from(await client.crypto.decrypt('vault', sealed)).equals(data)).toBe(true);
    await expect(client.crypto.encrypt('vault', data, { keyName: 'none', keyWrapAlgorithm: 'RSA' })).rejects.toBeInstanceOf(ProaError);
  });

  it('keeps notes in the metadata', async () => {
    await client.metadata.set('note', 'mine');
    const metadata = await client.metadata.get();
    expect(metadata.extended['note']).toBe('mine');
    expect(metadata.components.map(({ name }) => name)).toContain('statestore');
    const routed = metadata.subscriptions.find(({ topic }) => topic === 'routed');
    expect(routed?.rules).toHaveLength(1);
    expect(routed?.defaultPath).toBeDefined();
  });
});
