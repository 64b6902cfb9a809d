import { describe, expect, it } from 'vitest';
import { describePlace, readEnginePlace } from './engine-place.ts';

describe('the place of an engine', () => {
  it('is a directory, or a database with its schema, told without user and password', () => {
    expect(readEnginePlace('data', '/p')).toEqual({ kind: 'journal', directory: '/p/data' });
    const place = readEnginePlace('postgres://u:secret@host:5433/db?schema=s&sslmode=require&channel_binding=require', '/p');
    expect(place).toEqual({
      kind: 'postgres',
      url: 'postgres://u:secret@host:5433/db?sslmode=require&channel_binding=require',
      schema: 's',
    });
    expect(describePlace(place)).toBe('postgres://host:5433/db (schema s)');
    expect(() => readEnginePlace('postgres://u:sec ret@ho st/db', '/p')).toThrow('cannot be read');
    // No directory of that name appears.
    expect(() => readEnginePlace('mysql://u:secret@host/db', '/p')).toThrow(/^there is no engine for mysql: URLs$/);
  });

  it.each([
    ['schma', 'schema'],
    ['shema', 'schema'],
    ['sslmod', 'sslmode'],
  ])('is refused with the parameter %s: the data would go elsewhere', (written, meant) => {
    let thrown: unknown;
    try {
      readEnginePlace(`postgres://u:secret@host/db?${written}=x`, '/p');
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'config.invalid', hint: `did you mean ${meant}?` });
    expect(String(thrown)).not.toContain('secret');
  });
});
