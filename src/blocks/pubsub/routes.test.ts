import { describe, expect, it } from 'vitest';
import { readEvent, type IncomingEvent } from './incoming-event.ts';
import { compileRoutes } from './routes.ts';

function event(fields: object): IncomingEvent {
  const message = { id: '1', topic: 't', data: Buffer.from(JSON.stringify(fields)), metadata: {} };
  return readEvent(message, { pubsub: 'p', raw: false, newId: () => '' }) as IncomingEvent;
}

const compile = (rules: { match: string; path: string }[], defaultPath?: string) =>
  compileRoutes({ pubsub: 'p', topic: 't', rules, ...(defaultPath === undefined ? {} : { defaultPath }) });

describe('routes', () => {
  it('take the first rule that matches, then the default path, then none', async () => {
    const rules = [
      { match: 'event.type == "a" && event.data.amount > 10', path: '/big' },
      { match: 'event.type.startsWith("a")', path: '/a' },
      { match: 'has(event.data.tags) && event.data.tags.exists(t, t == "x")', path: '/x' },
    ];
    const withDefault = await compile(rules, '/default');
    expect(withDefault(event({ type: 'a', data: { amount: 11 } }))).toBe('/big');
    expect(withDefault(event({ type: 'a', data: { amount: 1 } }))).toBe('/a');
    expect(withDefault(event({ type: 'b', data: { tags: ['x'] } }))).toBe('/x');
    expect(withDefault(event({ type: 'b', data: {} }))).toBe('/default');
    expect((await compile(rules))(event({ type: 'b', data: {} }))).toBeUndefined();
    expect((await compile([{ match: ' ', path: '/all' }, ...rules], '/d'))(event({}))).toBe('/all');
  });

  it('fail for an event that a rule cannot judge, or not with true or false', async () => {
    const missing = await compile([{ match: 'event.data.amount > 10', path: '/x' }], '/d');
    expect(() => missing(event({ data: {} }))).toThrow(/amount/);
    const number = await compile([{ match: 'event.data', path: '/x' }], '/d');
    expect(() => number(event({ data: 7 }))).toThrow(/was not a boolean/);
  });

  it.each([
    ['event.type ==', /not valid/],
    ['other.type == "a"', /not valid/],
    ['event.a.all(a, a.all(b, b.all(c, c.all(d, d))))', /more than 3 loops/],
    [`event.type == "${'x'.repeat(5000)}"`, /longer than/],
    [`${'('.repeat(300)}true${')'.repeat(300)}`, /not valid/],
  ])('refuse the rule %s', async (match, why) => {
    await expect(compile([{ match, path: '/x' }])).rejects.toMatchObject({
      code: 'config.invalid',
      message: expect.stringMatching(why) as string,
    });
  });

  it('match patterns in linear time, whatever the event holds', async () => {
    const route = await compile([
      { match: String.raw`event.type.matches("^com\\.[a-z]+\\.(new|old)$")`, path: '/m' },
      { match: String.raw`event.type .matches (r'(a+)+b') && event.type != ".matches("`, path: '/slow' },
    ]);
    expect(route(event({ type: 'com.order.new' }))).toBe('/m');
    expect(route(event({ type: 'com.order.gone' }))).toBeUndefined();
    expect(route(event({ type: 'aab' }))).toBe('/slow');
    expect(route(event({ type: 'a'.repeat(50_000) }))).toBeUndefined();
    const broken = await compile([{ match: 'event.type.matches(event.id)', path: '/m' }]);
    expect(() => broken(event({ type: 'x', id: '(' }))).toThrow(/a group is not closed/);
  });

  it('do not loop over large events', async () => {
    const route = await compile([{ match: 'event.data.all(x, x > 0)', path: '/m' }]);
    expect(() => route(event({ data: Array.from({ length: 200_000 }, () => 1) }))).toThrow(/larger than/);
  });
});
