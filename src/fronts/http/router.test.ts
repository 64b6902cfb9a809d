import { describe, expect, it } from 'vitest';
import { createSecret } from '../../kernel/secret.ts';
import { createTokenCheck } from '../../kernel/token-check.ts';
import { isBaggage } from '../../kernel/baggage.ts';
import { invokeTarget } from './invoke-target.ts';
import { Query } from './query.ts';
import { createRouter } from './router.ts';
import { allowedRoutes, apiRoutes } from './routes/all.ts';

const router = createRouter(apiRoutes);

function routed(method: string, path: string): string {
  const match = router.match(method, path);
  if (match === undefined || match === 'bad-escape') return String(match);
  return [match.route.name, ...Object.entries(match.params).map(([name, value]) => `${name}=${value}`)].join(' ');
}

describe('the route table', () => {
  it.each([
    ['GET', '/v1.0/state/s/k', 'GetState store=s key=k'],
    ['GET', '/v1.0//state/s//k/', 'GetState store=s key=k'],
    ['GET', '/v1.0/state/s/a%20b+c', 'GetState store=s key=a b c'],
    ['POST', '/v1.0/state/s', 'SaveState store=s'],
    ['PUT', '/v1.0/state/s/bulk', 'GetBulkState store=s'],
    ['GET', '/v1.0/secrets/s/bulk', 'GetBulkSecret store=s'],
    ['GET', '/v1.0/secrets/s/other', 'GetSecret store=s name=other'],
    ['POST', '/v1.0/publish/p/a/b/c', 'PublishEvent pubsub=p topic=a/b/c'],
    ['POST', '/v1.0/publish/bulk/p/a/b', 'BulkPublishEvent pubsub=p topic=a/b'],
    ['GET', '/v1.0/state/s/%zz', 'bad-escape'],
    ['PATCH', '/v1.0/state/s/k', 'undefined'],
    ['GET', '/unknown', 'undefined'],
  ])('%s %s is %s', (method, path, expected) => expect(routed(method, path)).toBe(expected));

  it.each(['/v1.0/x/{store-name}', '/v1.0/x/{a}{b}', '/v1.0/x/{}', '/v1.0/x/{a', '/v1.0/x/a}', '/v1.0/x/{a..}', '/v1.0/x/{rest...}/y'])(
    'refuses the path %s, which would silently match something else',
    (path) => expect(() => createRouter([{ ...(apiRoutes[0] as (typeof apiRoutes)[number]), path }])).toThrow(/of a route/),
  );

  it('has no two rows for one method and path', () => {
    const seen = apiRoutes.flatMap((row) => row.methods.map((method) => `${method} ${row.path}`));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('leaves out what spec.api does not allow; deny wins; health stays', () => {
    const rule = (name: string) => ({ name, version: 'v1', protocol: 'http' as const });
    const only = allowedRoutes(apiRoutes, { allowed: [rule('state')], denied: [] });
    expect(new Set(only.routes.map((row) => row.group))).toEqual(new Set(['state', 'healthz']));
    expect(only.invocations).toBe(false);
    const without = allowedRoutes(apiRoutes, { allowed: [rule('state')], denied: [rule('state')] });
    expect(without.routes.some((row) => row.path === '/v1.0/state/{store}/{key}')).toBe(false);
  });
});

describe('the target of an invocation', () => {
  const of = (path: string, headers: Record<string, string> = {}) => invokeTarget(path, { header: (name) => headers[name] });
  it('comes from the header, basic authorization, or the URL, in this order', () => {
    expect(of('/orders/1', { 'dapr-app-id': 'a' })).toEqual({ appId: 'a', rawMethod: 'orders/1' });
    const authorization = `Basic ${Buffer.from('dapr-app-id:b').toString('base64')}`;
    expect(of('/orders', { authorization })).toEqual({ appId: 'b', rawMethod: 'orders' });
    expect(of('/v1.0/invoke/c/method/a/b')).toEqual({ appId: 'c', rawMethod: 'a/b' });
    expect(of('/v1.0/invoke/http%3A%2F%2Fx%3A1/method/y')).toEqual({ appId: 'http://x:1', rawMethod: 'y' });
    expect(of('/orders', { authorization: 'Bearer x' })).toBeUndefined();
    expect(of('/v1.0/invoke//method/y')).toBeUndefined();
  });
});

describe('small parsers', () => {
  it('reads metadata from the query: first value wins, + is a space', () => {
    const query = new Query('metadata.a=1&metadata.a=2&x=y&metadata.b=c+d%21');
    expect({ ...query.metadata() }).toEqual({ a: '1', b: 'c d!' });
    expect(query.get('x')).toBe('y');
  });

  it('compares tokens, two of which may be valid at once (T7, T9)', () => {
    const fits = createTokenCheck(['old', 'new'].map(createSecret));
    expect([fits('old'), fits('new'), fits('other'), fits(undefined), fits('')]).toEqual([true, true, false, false, false]);
    expect(createTokenCheck([createSecret('')])(undefined)).toBe(true);
  });

  it.each([
    ['key=value', true],
    ['a=1;p=2;q, b=3', true],
    ['', false],
    ['novalue', false],
    ['a=b c', false],
    ['a="x"', false],
  ])('baggage %j: %s', (text, valid) => expect(isBaggage(text)).toBe(valid));
});
