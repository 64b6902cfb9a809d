import { describe, expect, it } from 'vitest';
import { createPathLabel, httpMetricsDefaults, pathPatternError } from './path-label.ts';

const patterns = ['/orders/{id}', '/orders/{id}/items/{item}', '/orders/latest', '/files/{rest...}', '/docs/', '/{$}'];

describe('the path label of a request', () => {
  it.each([
    ['/v1.0/state/store/some/key', '/v1.0/state/store'],
    ['/v1.0/secrets/vault/name', '/v1.0/secrets/vault'],
    ['/v1.0/metadata', '/v1.0/metadata'],
    ['/v1.0/actors/Cart/17/method/add', '/v1.0/actors/Cart/{id}/method'],
    ['/v1.0/actors/Cart/17/state', '/v1.0/actors/Cart/{id}/state'],
    ['/actors/Cart/17/method/add', '/actors/Cart/{id}/method'],
    ['/actors/Cart/17', '/actors/Cart/{id}'],
    ['/proa/v1/actors/Cart/17/state', '/proa/v1/actors/Cart'],
    ['/v1.0/invoke/app-2/method/orders/7', '/v1.0/invoke/app-2/method/orders/{id}'],
    ['/v1.0/invoke/app/method/api/v1.2/oauth2/token', '/v1.0/invoke/app/method/api/v1.2/oauth2/token'],
    ['/v1.0/invoke/app/method/', '/v1.0/invoke/app/method/'],
    ['/v1.0/invoke/app', '/v1.0/invoke/app'],
    ['/v1.0/invoke', '/v1.0/invoke'],
    ['/v1.0-beta1/workflows/dapr/17/terminate', '/v1.0-beta1/workflows/dapr/{instanceId}/terminate'],
    ['/v1.0/workflows/dapr/order', '/v1.0/workflows/dapr/{instanceId}'],
    ['/v1.0/workflows/dapr/order/start', '/v1.0/workflows/dapr/order/start'],
    ['/v1.0/workflows/dapr/17/raiseEvent/paid', '/v1.0/workflows/dapr/{instanceId}/raiseEvent/{eventName}'],
    ['/api/workflows/dapr/17/', '/api/workflows/dapr/{id}/'],
    ['/orders/3f2c/lines//0', '/orders/{id}/lines//{id}'],
    ['/users/ada@example.com', '/users/{id}'],
    ['/', '/'],
    ['*', '{id}'],
  ])('%s is %s by default', (path, label) => expect(createPathLabel(httpMetricsDefaults)(path)).toBe(label));

  it.each([
    ['/orders/17', '/orders/{id}'],
    ['/orders/latest', '/orders/latest'],
    ['/orders/17/items/3', '/orders/{id}/items/{item}'],
    ['/files/a/b/c', '/files/{rest...}'],
    ['/docs/', '/docs/'],
    ['/docs/a/b', '/docs/'],
    ['/', '/{$}'],
    ['/docs', '_'],
    ['/orders/', '_'],
    ['/orders/17/items', '_'],
    ['/healthz', '/healthz'],
  ])('%s is %s where only patterns count', (path, label) =>
    expect(createPathLabel({ increasedCardinality: false, pathMatching: patterns, excludeVerbs: false })(path)).toBe(label),
  );

  it('is left out without patterns when cardinality is low, but for the paths that every app has', () => {
    const label = createPathLabel({ increasedCardinality: false, pathMatching: [], excludeVerbs: false });
    expect([label('/orders/17'), label('/dapr/subscribe')]).toEqual(['', '/dapr/subscribe']);
  });

  it('prefers patterns to paths when cardinality is high', () => {
    const label = createPathLabel({ increasedCardinality: true, pathMatching: patterns, excludeVerbs: false });
    expect([label('/orders/17'), label('/other/17')]).toEqual(['/orders/{id}', '/other/{id}']);
  });

  it.each(patterns)('takes %s as a pattern', (pattern) => expect(pathPatternError(pattern)).toBeUndefined());

  it.each([
    ['orders/{id}', 'it must begin with /'],
    ['/orders/{order-id}', '"{order-id}" is no variable: write {name}, of letters, digits and _, as a whole segment'],
    ['/orders/x{id}', '"x{id}" is no variable: write {name}, of letters, digits and _, as a whole segment'],
    ['/{rest...}/x', '"{rest...}" can stand at the end only'],
    ['/{$}/x', '"{$}" can stand at the end only'],
  ])('refuses %s', (pattern, why) => expect(pathPatternError(pattern)).toBe(why));
});
