import { describe, expect, it } from 'vitest';
import { ProaError } from '../../kernel/errors.ts';
import { withFreePorts } from './free-ports.ts';

const taken = (): ProaError => new ProaError('config.port-taken', 'port 3500 is in use');

describe('ports that were free a moment ago', () => {
  it('are chosen again when somebody else took them, and only then', async () => {
    let made = 0;
    expect(await withFreePorts(() => (++made < 3 ? Promise.reject(taken()) : Promise.resolve(7)))).toBe(7);
    expect(made).toBe(3);
    const other = new ProaError('config.invalid', 'no');
    await expect(withFreePorts(() => (made++, Promise.reject(other)))).rejects.toBe(other);
    expect(made).toBe(4);
  });

  it('are given up after six attempts, with the error of the last', async () => {
    let made = 0;
    await expect(withFreePorts(() => (made++, Promise.reject(taken())))).rejects.toMatchObject({ code: 'config.port-taken' });
    expect(made).toBe(6);
  });
});
