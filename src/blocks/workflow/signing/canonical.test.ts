import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { FailureDetails } from '../../../contracts/workflow.ts';
import { canonicalFailure, ioDigest } from './canonical.ts';

const sha = (hex: string): string => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex');
const nested = (depth: number): FailureDetails => ({
  errorType: 'E',
  errorMessage: '',
  ...(depth > 1 && { innerFailure: nested(depth - 1) }),
});

describe('what attestations digest', () => {
  it('is input and output, each behind its length, in composed form', () => {
    expect(ioDigest('in', { result: 'e\u0301' })?.toString('hex')).toBe(sha('0000000000000002696e0000000000000002c3a9'));
    expect(ioDigest('in', { result: '\u00e9' })).toEqual(ioDigest('in', { result: 'e\u0301' }));
    expect(ioDigest(undefined, {})?.toString('hex')).toBe(sha('00000000000000000000000000000000'));
    expect(ioDigest('', { result: '' })).toEqual(ioDigest(undefined, {}));
    expect(ioDigest('ab', { result: 'c' })).not.toEqual(ioDigest('a', { result: 'bc' }));
  });

  it('is of a failure everything but whether to try again', () => {
    const failure = {
      errorType: 'T',
      errorMessage: 'm',
      stackTrace: 's',
      innerFailure: { errorType: 'I', errorMessage: '', isNonRetriable: true },
    };
    expect(canonicalFailure(failure, 0)?.toString('hex')).toBe('0000000154000000016d00000001730100000001490000000000000000' + '00');
    expect(canonicalFailure({ ...failure, isNonRetriable: true }, 0)).toEqual(canonicalFailure(failure, 0));
  });

  it('is nothing of a failure with more than 31 others inside', () => {
    expect(canonicalFailure(nested(32), 0)).toBeDefined();
    expect(canonicalFailure(nested(33), 0)).toBeUndefined();
    expect(ioDigest('', { failure: nested(33) })).toBeUndefined();
  });
});
