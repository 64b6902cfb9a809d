import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileTemplate, templateError, templateRank } from './path-template.ts';

const matches = (template: string, path: string): boolean => compileTemplate(template)(path);

describe('a path template', () => {
  it.each([
    ['/orders', 'orders', true],
    ['/orders', 'orders/', false],
    ['/orders/{id}', 'orders/17', true],
    ['/orders/{id}', 'orders/', false],
    ['/orders/{id}', 'orders', false],
    ['/orders/{id}', 'orders/17/lines', false],
    ['/orders/*/lines', 'orders/17/lines', true],
    ['/orders/*/lines', 'orders/17/other', false],
    ['/orders/**', 'orders', true],
    ['/orders/**', 'orders/17/lines', true],
    ['/orders/**', 'ordersx', false],
    ['/{a}/x/**', 'b/x', true],
    ['/{a}/x/**', 'b/x/y/z', true],
    ['/{a}/x/**', 'b/xy', false],
    ['/**', '', true],
    ['/', '', true],
    ['/', 'x', false],
  ])('%s and %s: %s', (template, path, expected) => {
    expect(templateError(template)).toBeUndefined();
    expect(matches(template, path)).toBe(expected);
  });

  it.each(['orders', '/a//b', '/a/**/b', '/a*', '/{1}', '/{id', '/a/{x}y'])('%s is none', (template) => {
    expect(templateError(template)).toBeDefined();
  });

  it('agrees with a regular expression of the same meaning', () => {
    const segment = fc.constantFrom('a', 'ab', 'b', '*', '{x}');
    const template = fc
      .tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([parts, rest]) => `/${[...parts, ...(rest ? ['**'] : [])].join('/')}`);
    const path = fc.array(fc.constantFrom('a', 'ab', 'b', 'c'), { maxLength: 6 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(template, path, (text, tried) => {
        const pattern = text
          .slice(1)
          .replace(/\/\*\*$/, '(/.*)?')
          .replace(/(^|\/)(\*|\{x\})(?=\/|$|\()/g, '$1[^/]+');
        expect(matches(text, tried)).toBe(new RegExp(`^${pattern}$`).test(tried));
      }),
    );
  });

  it('ranks the special before the general', () => {
    const order = ['/a/b/c', '/a/b/{x}', '/a/b', '/a/{x}', '/a/**', '/{x}', '/**'];
    expect(order.toSorted((a, b) => templateRank(b) - templateRank(a))).toEqual(order);
  });
});
