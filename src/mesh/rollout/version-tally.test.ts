import { expect, it } from 'vitest';
import type { Outcome } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createVersionTally } from './version-tally.ts';

const failed = (error: ProaError): Outcome => ({ ok: false, error });

it.each<[string, Outcome, [number, number]]>([
  ['an answer', { ok: true, status: 404 }, [1, 0]],
  ['a status from 500', { ok: false, status: 500 }, [0, 1]],
  ['an expired time', failed(new ProaError('deadline-exceeded', 'late')), [0, 1]],
  ['what the runtime of the version refuses', failed(new ProaError('shed', 'no', { refusedAt: 'callee' })), [0, 1]],
  ['an open breaker', failed(new ProaError('circuit-open', 'open', { refusedAt: 'caller' })), [0, 1]],
  ['a full bulkhead of the caller', failed(new ProaError('overloaded', 'full', { refusedAt: 'caller' })), [0, 0]],
  ['a caller that gave up', failed(new ProaError('cancelled', 'gone')), [0, 0]],
])('%s counts for its version as it should', (_what, outcome, counts) => {
  const told: boolean[] = [];
  const tally = createVersionTally((good) => void told.push(good));
  tally.count(outcome, 10);
  expect([tally.good, tally.bad]).toEqual(counts);
  expect(told).toHaveLength(counts[0] + counts[1]);
});
