import { describe, expect, it } from 'vitest';
import { testDriverContext } from '../../testing/driver-context.ts';
import { exchange } from '../../testing/middleware-call.ts';
import driver from './index.ts';

const open = (routes: string) => driver.open({ routes }, testDriverContext({ name: 'alias' }));
const routes = JSON.stringify({
  '/mall/activity/info': '/v1.0/invoke/mall/method/hello',
  '/hello/{activity}/{user}': '/v1.0/invoke/srv/method/hello',
  '/files/{name}.json': '/v1.0/invoke/files/method/json?kind=doc',
  '/numbers/{n:[0-9]+}': '/v1.0/invoke/n/method/n',
  '/rest/{path:.*}': '/v1.0/invoke/rest/method/all',
});

describe('middleware.http.routeralias', () => {
  it.each([
    ['/mall/activity/info', '/v1.0/invoke/mall/method/hello'],
    ['/mall/activity/info?id=1&id=2', '/v1.0/invoke/mall/method/hello?id=1&id=2'],
    ['/hello/a%20b/%C3%BC%26x=1?q=0', '/v1.0/invoke/srv/method/hello?q=0&activity=a+b&user=%C3%BC%26x%3D1'],
    ['/files/a.b.json', '/v1.0/invoke/files/method/json?kind=doc&name=a.b'],
    ['/numbers/42', '/v1.0/invoke/n/method/n?n=42'],
    ['/rest/a/b', '/v1.0/invoke/rest/method/all?path=a%2Fb'],
    ['/rest/', '/v1.0/invoke/rest/method/all?path='],
    ['/mall/activity/info/', '/mall/activity/info/'],
    ['/mall/activity', '/mall/activity'],
    ['/hello/a', '/hello/a'],
    ['/hello/a/', '/hello/a/'],
    ['/hello/%zz/b', '/v1.0/invoke/srv/method/hello?activity=%25zz&user=b'],
    ['/files/.json', '/files/.json'],
    ['/numbers/4x', '/numbers/4x'],
    ['/v1.0/healthz', '/v1.0/healthz'],
  ])('leads %s to %s', async (target, expected) => {
    expect((await exchange(await open(routes), { target })).reached?.target).toBe(expected);
  });

  it('takes YAML, lets the first route win, and passes everything on without routes', async () => {
    const middleware = await open('/a/{x}: /first\n/a/b: /second\n');
    expect((await exchange(middleware, { target: '/a/b', method: 'PUT', body: 'data' })).reached).toMatchObject({
      method: 'PUT',
      target: '/first?x=b',
      body: 'data',
    });
    expect((await exchange(await open(''), { target: '/a/b' })).reached?.target).toBe('/a/b');
  });

  it.each([
    ['[1]', /must be a map/],
    ['{"a": "/b"}', /must begin with a slash/],
    ['{"/a": "b"}', /must lead to a path/],
    ['{"/a": 1}', /must lead to a path/],
    ['{"/a": "/b c"}', /must lead to a path/],
    ['{"/{a}/{a}": "/b"}', /names a variable twice/],
    ['{"/{a}{b}": "/b"}', /one named variable at most/],
    ['{"/{}": "/b"}', /one named variable/],
    ['{"/{a": "/b"}', /unbalanced braces/],
    ['{"/{a:(x+)+}": "/b"}', /pattern "\(x\+\)\+" is not supported/],
    ['{"/{a:.*}/b": "/b"}', /must stand alone at the end/],
    ['{"/a": ', /failed to decode 'routes'/],
  ])('refuses %s', async (text, message) => {
    await expect(open(text)).rejects.toMatchObject({ code: 'component.init-failed', message: expect.stringMatching(message) });
  });
});
