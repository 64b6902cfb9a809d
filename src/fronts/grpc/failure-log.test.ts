import { describe, expect, it } from 'vitest';
import { ProaError } from '../../kernel/errors.ts';
import { silentLogger, type LogFields } from '../../kernel/log.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createFailureLog } from './failure-log.ts';

describe('the log of failed gRPC calls', () => {
  it('tells the first at once and counts the others, ten seconds to a line', () => {
    const clock = createFakeClock();
    const lines: (LogFields | undefined)[] = [];
    const failures = createFailureLog({ ...silentLogger, error: (_, fields) => void lines.push(fields) }, clock);
    const fail = (message: string): void => failures.failed('/a/B', new ProaError('internal', message));
    fail('one');
    for (let i = 0; i < 1_000; i++) fail(`more ${i}`);
    expect(lines).toEqual([{ method: '/a/B', error: 'one' }]);
    clock.advance(10_000);
    expect(lines.slice(1)).toEqual([{ count: 1_000, method: '/a/B', error: 'more 999' }]);
    clock.advance(10_000);
    fail('after a quiet time');
    expect(lines.slice(2)).toEqual([{ method: '/a/B', error: 'after a quiet time' }]);
    fail('again');
    expect(lines).toHaveLength(3);
    failures.close();
    expect(lines.slice(3)).toEqual([{ count: 1, method: '/a/B', error: 'again' }]);
    clock.advance(60_000);
    expect(lines).toHaveLength(4);
  });
});
