import { describe, expect, it, vi } from 'vitest';
import { ProaError } from '../kernel/errors.ts';
import { limits } from '../kernel/limits.ts';
import { createApp as sdkApp } from '../sdk.ts';
import { defineActor } from './actor.ts';
import { createApp, type App } from './app.ts';
import { checked, defineContract, type StandardSchema } from './contract.ts';
import type { Operations } from './operations.ts';
import { reply } from './request.ts';

const at = (path: string, init: RequestInit = {}) => new Request(`http://host/${path}`, init);
const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  at(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } });
const json = async (answer: Promise<Response>) => {
  const response = await answer;
  return { status: response.status, body: await response.json().catch(() => undefined) };
};

const positive: StandardSchema<number> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value) =>
      typeof value === 'number' && value > 0 ? { value } : { issues: [{ message: 'must be above 0', path: ['a', { key: 0 }] }] },
  },
};

describe('an app that something else hosts', () => {
  it('answers what the runtime asks, and what callers invoke', async () => {
    const app = createApp()
      .handle('orders/{id}', ({ params, data }) => ({ id: params['id'], data }))
      .subscribe('bus', 'placed', () => {}, { deadLetterTopic: 'dead', metadata: { a: 'b' } })
      .subscribe('bus', 'placed', () => 'retry', { match: 'event.data.n > 1' })
      .subscribeBulk('bus', 'many', (events) =>
        Object.fromEntries(events.map(({ entryId, data }) => [entryId, data === 1 ? 'drop' : undefined])),
      )
      .onBinding('tick', ({ data }) => ({ got: data }));
    expect(await json(app.fetch(at('dapr/subscribe')))).toEqual({
      status: 200,
      body: [
        {
          pubsubname: 'bus',
          topic: 'placed',
          metadata: { a: 'b' },
          routes: { rules: [{ match: 'event.data.n > 1', path: 'proa/events/1' }], default: 'proa/events/0' },
          deadLetterTopic: 'dead',
        },
        {
          pubsubname: 'bus',
          topic: 'many',
          metadata: {},
          routes: { rules: [], default: 'proa/events/2' },
          bulkSubscribe: { enabled: true, maxMessagesCount: 100, maxAwaitDurationMs: 1_000 },
        },
      ],
    });
    expect((await app.fetch(at('dapr/config'))).status).toBe(404);
    expect(await json(app.fetch(post('proa/events/0', { id: '1', data: {} })))).toEqual({ status: 200, body: { status: 'SUCCESS' } });
    expect(await json(app.fetch(post('proa/events/1', { id: '1', data: {} })))).toEqual({ status: 200, body: { status: 'RETRY' } });
    expect(await json(app.fetch(post('proa/events/9', { id: '1' })))).toEqual({ status: 200, body: { status: 'DROP' } });
    const entry = (entryId: string, data: unknown) => ({
      entryId,
      contentType: 'application/cloudevents+json',
      event: { id: entryId, data },
    });
    const bulk = { type: 'com.dapr.event.sent.bulk', id: 'b', topic: 'many', pubsubname: 'bus', entries: [entry('x', 1), entry('y', 2)] };
    expect(await json(app.fetch(post('proa/events/2', bulk)))).toEqual({
      status: 200,
      body: {
        statuses: [
          { entryId: 'x', status: 'DROP' },
          { entryId: 'y', status: 'SUCCESS' },
        ],
      },
    });
    expect((await app.fetch(at('tick', { method: 'OPTIONS' }))).status).toBe(200);
    expect((await app.fetch(at('tock', { method: 'OPTIONS' }))).status).toBe(404);
    expect(await json(app.fetch(post('tick', 5)))).toEqual({ status: 200, body: { got: 5 } });
    expect(await json(app.fetch(post('orders/7?x=1', { n: 1 })))).toEqual({ status: 200, body: { id: '7', data: { n: 1 } } });
    expect((await app.fetch(at('a%2fb%zz'))).status).toBe(400);
  });

  it('refuses who does not know the token of the runtime', async () => {
    const app = createApp({ appToken: 'secret' }).handle('x', () => 1);
    expect(await json(app.fetch(at('x')))).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(await json(app.fetch(at('dapr/subscribe', { headers: { 'dapr-api-token': 'wrong' } })))).toMatchObject({ status: 401 });
    expect(await json(app.fetch(at('x', { headers: { 'dapr-api-token': 'secret' } })))).toEqual({ status: 200, body: 1 });
  });

  it('gives what it does not know to another fetch handler', async () => {
    const app = createApp()
      .handle('own', () => 'mine')
      .fallback(
        async (request) => new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`, { status: 202 }),
      );
    expect(await json(app.fetch(at('own')))).toEqual({ status: 200, body: 'mine' });
    const other = await app.fetch(post('else where', { n: 1 }));
    expect([other.status, await other.text()]).toEqual([202, 'POST /else%20where {"n":1}']);
  });

  it('says what went wrong as a problem, with the trace and without the inside', async () => {
    const app = createApp()
      .handle('gone', () => {
        throw new ProaError('not-found', 'gone');
      })
      .handle('bug', () => {
        throw new Error('password=canary');
      })
      .handle('circle', () => {
        const circle: Record<string, unknown> = {};
        circle['self'] = circle;
        return circle;
      })
      .handle('html', () => reply(418, 'tea', { 'Content-Type': 'text/html' }));
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const gone = await app.fetch(at('gone', { headers: { traceparent } }));
    expect(gone.headers.get('content-type')).toBe('application/problem+json');
    expect(await gone.json()).toMatchObject({ status: 404, code: 'not-found', instance: 'urn:trace:0af7651916cd43dd8448eb211c80319c' });
    const bug = await app.fetch(at('bug'));
    expect(await bug.text()).not.toContain('canary');
    expect(await json(app.fetch(at('circle')))).toMatchObject({ status: 500, body: { code: 'malformed-response' } });
    app
      .handle('split', () => reply(200, 1, { 'x-a': 'b\r\nx-evil: 1' }))
      .handle('framed', () => new Response('ab', { headers: { 'content-length': '9' } }));
    expect(await json(app.fetch(at('split')))).toMatchObject({ status: 500, body: { code: 'malformed-response' } });
    expect(await (await app.fetch(at('framed'))).text()).toBe('ab');
    const large = at('gone', { method: 'POST', body: new Uint8Array(limits.bodyBytes + 1) });
    expect(await json(app.fetch(large))).toMatchObject({ body: { code: 'body-read' } });
    const html = await app.fetch(at('html'));
    expect([html.status, html.headers.get('content-type')]).toEqual([418, 'text/html']);
  });
});

describe('what handlers throw', () => {
  const told = () => {
    const heard: string[] = [];
    const app = createApp({ onError: (error, what) => heard.push(`${what}: ${String(error)}`) });
    return { app, heard };
  };
  const fails = (): never => {
    throw new TypeError('the inside');
  };

  it('is told in the app wherever the caller does not hear it', async () => {
    const { app, heard } = told();
    app
      .handle('orders/{id}', fails)
      .handle('known', () => {
        throw new ProaError('not-found', 'no such order');
      })
      .subscribe('bus', 'placed', fails)
      .subscribeBulk('bus', 'many', fails)
      .onBinding('tick', fails)
      .onJob('report', fails)
      .host(defineActor('Cart', { add: fails }, { onReminder: fails, onDeactivate: fails }))
      .fallback(fails);
    app.actors.attach({} as Operations);
    await app.fetch(post('orders/1', {}));
    await app.fetch(post('known', {}));
    await app.fetch(post('other', {}));
    await app.fetch(post('proa/events/0', { topic: 'placed', data: {} }));
    await app.fetch(post('proa/events/1', { id: '1', topic: 'many', type: 'com.dapr.event.sent.bulk', entries: [] }));
    await app.fetch(post('tick', {}));
    await app.fetch(post('job/report', {}));
    await app.fetch(at('actors/Cart/1/method/add', { method: 'PUT' }));
    await app.fetch(at('actors/Cart/1/method/remind/late', { method: 'PUT', body: '{}' }));
    await app.fetch(at('actors/Cart/1', { method: 'DELETE' }));
    expect(heard).toEqual([
      'the handler of "orders/1": TypeError: the inside',
      'the handler of "other": TypeError: the inside',
      'the handler of the topic "placed": TypeError: the inside',
      'the handler of the topic "many": TypeError: the inside',
      'the handler of the binding "tick": TypeError: the inside',
      'the handler of the job "report": TypeError: the inside',
      'the method "add" of the actor "Cart/1": TypeError: the inside',
      'the method "remind/late" of the actor "Cart/1": TypeError: the inside',
      'the method "deactivate" of the actor "Cart/1": TypeError: the inside',
    ]);
  });

  it('stays what it was when the listener fails too', async () => {
    const app = createApp({ onError: fails }).handle('broken', fails);
    expect((await json(app.fetch(post('broken', {})))).body).toMatchObject({ code: 'internal' });
  });

  it('goes to standard error with its stack unless the app says otherwise', async () => {
    const written: string[] = [];
    const write = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => written.push(String(chunk)) > 0);
    await sdkApp().handle('broken', fails).fetch(post('broken', {}));
    await sdkApp({ onError: undefined } as object)
      .handle('other', fails)
      .fetch(post('other', {}));
    write.mockRestore();
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(/^the handler of "broken" failed: TypeError: the inside\n {4}at /);
    expect(written[1]).toMatch(/^the handler of "other" failed: /);
  });
});

describe('an app as it is put together', () => {
  it.each<[string, (app: App) => unknown]>([
    ['a method', (app) => app.handle('a', () => 1).handle('a', () => 2)],
    ['a topic', (app) => app.subscribe('b', 't', () => {}).subscribe('b', 't', () => {})],
    ['a rule', (app) => app.subscribe('b', 't', () => {}, { match: 'x' }).subscribe('b', 't', () => {}, { match: 'x' })],
    ['a bulk beside single events', (app) => app.subscribe('b', 't', () => {}).subscribeBulk('b', 't', () => {})],
    ['single events beside a bulk', (app) => app.subscribeBulk('b', 't', () => {}).subscribe('b', 't', () => {})],
    ['a binding', (app) => app.onBinding('b', () => 1).onBinding('b', () => 2)],
    ['a contract without its functions', (app) => app.implement(defineContract({ app: 'x', methods: { m: {} } }), {} as never)],
  ])('refuses %s', (_what, build) => {
    expect(() => build(createApp())).toThrow(ProaError);
  });

  it('keeps changes of configuration for who asks a moment later, but not for ever', () => {
    const app = createApp();
    const item = { value: 'v', version: '1', metadata: {} };
    for (let i = 0; i < 200; i++) app.configurationChanged(`id-${i}`, { k: item });
    const got: unknown[] = [];
    const stop = app.onConfiguration('id-0', (items) => got.push(items));
    app.configurationChanged('id-0', { l: item });
    stop();
    app.configurationChanged('id-0', { m: item });
    expect(got).toEqual([{ k: item }, { l: item }]);
    app.onConfiguration('id-199', (items) => got.push(items));
    expect(got).toHaveLength(2);
  });
});

describe('schemas of any maker', () => {
  it('check by the standard alone, and say where', async () => {
    const how = { what: 'a number', code: 'bad-request' } as const;
    expect(await checked(positive, 5, how)).toBe(5);
    expect(await checked(undefined, 'anything', how)).toBe('anything');
    await expect(checked(positive, -1, how)).rejects.toMatchObject({
      code: 'bad-request',
      message: 'a number does not fit its contract: a.0: must be above 0',
      details: { violations: [{ field: 'a.0', description: 'must be above 0' }] },
    });
  });
});
