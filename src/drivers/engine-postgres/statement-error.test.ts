import { expect, it } from 'vitest';
import { statementError } from './statement-error.ts';

it.each([
  ['', 'ECONNREFUSED', 'does the server run'],
  ['', 'ENOTFOUND', 'a host that nobody knows'],
  ['3D000', '', 'createdb'],
  ['28P01', '', 'PGPASSWORD'],
  ['42501', '', 'right to create a schema'],
])('an error of the database says what to do (%s %s)', (sqlState, code, hint) => {
  const error = Object.assign(new Error('the server said no'), { code });
  const told = statementError({ status: 'refused', error, sqlState }, 'connecting');
  expect(told.hint).toContain(hint);
  expect(told.code).toBe('engine.unavailable');
});

it('an error that no setting causes gets no advice', () => {
  expect(statementError({ status: 'lost', error: new Error('gone'), sqlState: '' }, 'reading').hint).toBeUndefined();
});
