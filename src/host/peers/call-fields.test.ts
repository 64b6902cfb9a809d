import { describe, expect, it } from 'vitest';
import { emptyBody } from '../../kernel/body.ts';
import { ProaError } from '../../kernel/errors.ts';
import { failureFields, readAnswer } from './call-fields.ts';

function read(fields: readonly string[]): ProaError {
  try {
    readAnswer(fields, emptyBody);
  } catch (error) {
    return ProaError.from(error);
  }
  throw new Error('that was an answer');
}

describe('a failure between runtimes', () => {
  it('keeps its code, its message, and when to come again', () => {
    const limited = read(failureFields(new ProaError('overloaded', 'größer', { details: { metadata: { retryAfterMs: '250' } } })));
    expect([limited.code, limited.message, limited.details?.metadata]).toEqual(['overloaded', 'größer', { retryAfterMs: '250' }]);
    expect(read(failureFields(new ProaError('invoke.denied', 'no'))).details).toBeUndefined();
  });

  it('is not trusted to be in order', () => {
    expect(read(['!no-such-code', 'x', 'soon'])).toMatchObject({ code: 'invoke.failed', message: 'x', details: undefined });
  });
});
