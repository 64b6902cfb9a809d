import { describe, expect, it } from 'vitest';
import { PathTable } from './path-table.ts';

describe('paths of handlers', () => {
  it('finds the one with the fewest placeholders, for the method', () => {
    const table = new PathTable<string>();
    table.add('orders/{id}', 'one');
    table.add('/orders/latest/', 'latest');
    table.add('orders/{id}/{part}', 'part', ['get']);
    expect(table.find('orders/7', 'GET')).toEqual({ value: 'one', params: { id: '7' } });
    expect(table.find('orders/latest', 'GET')?.value).toBe('latest');
    expect(table.find('orders/7/x', 'GET')?.params).toEqual({ id: '7', part: 'x' });
    expect(table.find('orders/7/x', 'POST')).toBeUndefined();
    expect(table.find('orders/', 'GET')).toBeUndefined();
    expect(table.find('orders', 'GET')).toBeUndefined();
    expect(table.find('orders/__proto__', 'GET')?.params['id']).toBe('__proto__');
  });

  it('refuses two handlers for one call', () => {
    const table = new PathTable<string>();
    table.add('orders/{id}', 'a', ['GET']);
    table.add('orders/{other}', 'b', ['POST']);
    expect(() => table.add('orders/{third}', 'c')).toThrow('two handlers');
    expect(() => table.add('orders/{third}', 'c', ['post'])).toThrow('two handlers');
  });
});
