import { describe, expect, it } from 'vitest';
import type { AdminSource } from '../../contracts/admin.ts';
import { emptyBody } from '../../kernel/body.ts';
import { createCall } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { Query } from '../http/query.ts';
import { createRouter } from '../http/router.ts';
import type { Route } from '../http/route.ts';
import { adminRoutes } from './routes.ts';

const source: AdminSource = {
  why: (traceId) => [{ traceId } as never],
  explain: (question) => ({ app: 'web', epoch: 3, question }) as never,
  explainComponent: (question) => ({ app: 'web', epoch: 3, question }) as never,
  config: () => ({ app: 'web', namespace: '', epoch: 3, settings: [], resources: [] }),
  actors: {
    types: () => [{ type: 'Cart', count: 1, ready: true, ids: ['a'] }],
    reminders: (type, of) => Promise.resolve([{ id: of ?? type, name: 'r', next: '2030-01-01T00:00:00.000Z' }]),
    state: (type, of) => Promise.resolve({ type, of }),
    deactivate: (_type, of) => (of === 'a' ? Promise.resolve() : Promise.reject(new ProaError('actor.not-active', 'no'))),
  },
};

interface Asked {
  readonly params?: Readonly<Record<string, string>>;
  readonly traceId?: string;
  readonly component?: string;
  readonly query?: string;
  readonly host?: string;
  readonly guarded?: boolean;
}

async function ask(
  name: string,
  { traceId = '', component = '', params = {}, query = '', host = '127.0.0.1:3500', guarded = false }: Asked = {},
): Promise<unknown> {
  const row = adminRoutes(source, guarded).find((each) => each.name === name) as unknown as Route<unknown, unknown>;
  const header = (wanted: string) => (wanted === 'host' ? host : undefined);
  const request = {
    method: 'GET',
    params: { trace: traceId, component, ...params },
    query: new Query(query),
    headers: [],
    header,
    subject: undefined,
    body: emptyBody,
    bytes: () => new Uint8Array(),
    text: () => '',
  };
  const input = await row.decode(request);
  const { body } = row.encode(await row.service({} as never)(createCall(row.operation, input)), input);
  return JSON.parse(String(body)) as unknown;
}

const codeOf = (asked: Promise<unknown>): Promise<string> =>
  asked.then(
    () => 'fine',
    (error: unknown) => ProaError.from(error).code,
  );
const id = '4bf92f3577b34da6a3ce929d0e0e4736';

describe('the admin API', () => {
  it('has a path for each question', () => {
    const router = createRouter(adminRoutes(source, false));
    const named = (path: string) => {
      const found = router.match('GET', path);
      return typeof found === 'object' ? [found.route.name, found.params] : undefined;
    };
    expect(named(`/proa/v1/why/${id}`)).toEqual(['Why', { trace: id }]);
    expect(named('/proa/v1/explain')).toEqual(['Explain', {}]);
    expect(named('/proa/v1/explain/statestore')).toEqual(['ExplainComponent', { component: 'statestore' }]);
    expect(named('/proa/v1/config')).toEqual(['Config', {}]);
    expect(router.match('POST', '/proa/v1/config')).toBeUndefined();
  });

  it('finds a call by its trace id, or by a whole traceparent', async () => {
    expect(await ask('Why', { traceId: id })).toEqual({ traceId: id, calls: [{ traceId: id }] });
    expect(await ask('Why', { traceId: `00-${id.toUpperCase()}-00f067aa0ba902b7-01` })).toMatchObject({ traceId: id });
    for (const wrong of ['', 'x', id.slice(1), `${id}0`, `01-${id}-00f067aa0ba902b7-01`, '../config'])
      expect(await codeOf(ask('Why', { traceId: wrong }))).toBe('bad-request');
  });

  it('reads a question about a call', async () => {
    expect(await ask('Explain', { query: 'app=orders&method=post&path=/a//b%20c%3Fq=1&caller=web&header=X-Trouble:%20yes' })).toMatchObject(
      {
        question: { app: 'orders', method: 'POST', caller: 'web', headers: ['x-trouble', 'yes'] },
      },
    );
    const wrong = [
      '',
      'method=GET',
      'app=a&method=G%20T',

      'app=a&header=nocolon',
      `app=a${'&header=a:b'.repeat(21)}`,
    ];
    for (const query of wrong) expect([query, await codeOf(ask('Explain', { query }))]).toEqual([query, 'bad-request']);
  });

  it('tells about actors, and takes one out of memory', async () => {
    const params = { type: 'Cart', id: 'a' };
    expect(await ask('Actors')).toEqual({ types: [{ type: 'Cart', count: 1, ready: true, ids: ['a'] }] });
    expect(await ask('ActorReminders', { params, query: 'id=a' })).toMatchObject({ type: 'Cart', reminders: [{ id: 'a', name: 'r' }] });
    expect(await ask('ActorReminders', { params })).toMatchObject({ reminders: [{ id: 'Cart' }] });
    expect(await ask('ActorState', { params })).toEqual({ type: 'Cart', id: 'a', state: { type: 'Cart', of: 'a' } });
    expect(await ask('DeactivateActor', { params })).toEqual(params);
    expect(await codeOf(ask('DeactivateActor', { params: { ...params, id: 'b' } }))).toBe('actor.not-active');
    const router = createRouter(adminRoutes(source, false));
    expect(router.match('GET', '/proa/v1/actors/Cart/a/deactivate')).toBeUndefined();
    expect(router.match('POST', '/proa/v1/actors/Cart/a/deactivate')).toMatchObject({ params });
  });

  it('believes addresses and localhost only, unless a token is asked for', async () => {
    for (const host of ['localhost', 'LOCALHOST:1', 'web.localhost:3500', '10.0.0.1', '[::1]:3500'])
      expect(await codeOf(ask('Config', { host }))).toBe('fine');
    for (const host of ['evil.example', 'evil.example:3500', 'localhost.evil.example', '127.0.0.1.evil.example', ''])
      expect([host, await codeOf(ask('Config', { host }))]).toEqual([host, 'permission-denied']);
    expect(await codeOf(ask('Config', { host: 'runtime.example', guarded: true }))).toBe('fine');
  });

  it('explains a component, or one operation of it', async () => {
    expect(await ask('ExplainComponent', { component: 'store' })).toMatchObject({ question: { component: 'store' } });
    expect(await ask('ExplainComponent', { component: 'store', query: 'operation=get' })).toMatchObject({
      question: { component: 'store', operation: 'get' },
    });
    expect(await codeOf(ask('ExplainComponent', { component: 'store', query: `operation=${'x'.repeat(129)}` }))).toBe('bad-request');
    expect(await codeOf(ask('ExplainComponent', { component: 'store', host: 'evil.example' }))).toBe('permission-denied');
  });
});
