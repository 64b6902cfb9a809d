import { describe, expect, it } from 'vitest';
import { traitsOf } from './instance-traits.ts';

const of = (env: Record<string, string>) => traitsOf({ env: (name) => env[name] });

describe('where an instance is', () => {
  it('comes from the environment', () => {
    expect(of({})).toEqual({});
    expect(of({ PROA_ZONE: 'west', PROA_WEIGHT: '0', PROA_APP_VERSION: 'v2' })).toEqual({ zone: 'west', weight: 0, version: 'v2' });
    expect(of({ PROA_ZONE: '', PROA_WEIGHT: '' })).toEqual({});
  });

  it.each(['-1', '1.5', '70000', 'heavy'])('refuses the weight %s', (PROA_WEIGHT) => {
    expect(() => of({ PROA_WEIGHT })).toThrow('PROA_WEIGHT');
  });
});
