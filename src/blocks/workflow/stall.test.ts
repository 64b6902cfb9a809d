import { describe, expect, it } from 'vitest';
import { keptBytes } from '../../testing/kept-memory.ts';
import { keptStall, stallFields } from './stall.ts';

describe('a stall', () => {
  it('is logged by its parts, with what takes several lines apart', () => {
    const description = 'it does not fit\n\n  recorded | code now\n> run a#1  | run b#1';
    const divergence = { recorded: 'run a#1', asked: 'run b#1', source: 'src/order.ts:14' };
    expect(stallFields('42', { reason: 'diverged', description, divergence })).toEqual({
      workflow_instance: '42',
      reason: 'diverged',
      error: 'it does not fit',
      ...divergence,
      details: ['', '  recorded | code now', '> run a#1  | run b#1'],
    });
    expect(stallFields('42', { reason: 'payload-size', description: 'too large' })).toEqual({
      workflow_instance: '42',
      reason: 'payload-size',
      error: 'too large',
    });
  });

  it('takes little room in a record, whatever a worker says', () => {
    const kept = keptStall({ reason: 'diverged', description: 'x'.repeat(1_000_000), divergence: { recorded: 'y'.repeat(1_000_000) } });
    expect(JSON.stringify(kept).length).toBeLessThan(20_000);
  });

  it('takes little memory, too', async () => {
    const long = (i: number): string => Buffer.from(`${i} `.repeat(50_000), 'latin1').toString('latin1');
    const stall = (i: number) => keptStall({ reason: 'diverged', description: long(i), divergence: { recorded: long(i) } });
    // With all that the workers said it would be 60 MB.
    expect(await keptBytes(() => Array.from({ length: 200 }, (_, i) => stall(i)))).toBeLessThan(10_000_000);
  });
});
