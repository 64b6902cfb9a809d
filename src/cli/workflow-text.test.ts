import { expect, it } from 'vitest';
import type { Output } from './output.ts';
import { printWorkflows } from './workflow-text.ts';

function printed(what: string, body: unknown): string[] {
  const out: string[] = [];
  const output = {
    line: (text: string) => out.push(text),
    say: (text: string) => out.push(`(${text})`),
    table: (rows: string[][]) => out.push(...rows.map((row) => row.join(' | '))),
  };
  printWorkflows(what, body, output as unknown as Output);
  return out;
}

it('lists workflows, and says how to go on', () => {
  const instances = [{ instanceId: '17', name: 'order', status: 'RUNNING', created: 'c', updated: 'u' }];
  expect(printed('list', { instances, token: 't' })).toEqual([
    'ID | NAME | STATUS | CREATED | UPDATED',
    '17 | order | RUNNING | c | u',
    '(there are more: --token t)',
  ]);
  expect(printed('list', { instances: [] })).toEqual(['(no workflows)']);
});

it('shows a state line by line: what a stalled workflow did and what its code does stay side by side', () => {
  const stall = { reason: 'diverged', description: 'recorded | code now\nreserve  | book\u0007' };
  expect(printed('show', { instanceId: '17', tags: { a: 'b' }, stall })).toEqual([
    'instanceId  17',
    'tags        {"a":"b"}',
    'stall       diverged',
    '            recorded | code now',
    '            reserve  | book\\x07',
  ]);
});

it('shows a history with the beginning of what each event says', () => {
  const events = [{ id: 1, time: 't', type: 'taskScheduled', name: 'reserve', input: 'x'.repeat(100) }];
  expect(printed('history', { events })).toEqual([
    'ID | TIME | EVENT | WHAT',
    `1 | t | taskScheduled | name=reserve input=${'x'.repeat(40)}…`,
  ]);
});

it('says of signatures whose they are and what they are worth', () => {
  const show = (signing: unknown): string | undefined => printed('show', { signing })[0];
  const signed = { signatures: 3, signedBy: ['default/shop'] };
  expect(show({ ...signed, verified: true })).toBe('signing  3 signatures of default/shop, verified');
  expect(show({ ...signed, verified: false, problem: 'changed' })).toBe('signing  3 signatures of default/shop, refused: changed');
  expect(show({ signatures: 3, signedBy: [] })).toBe('signing  3 signatures, not verified: signing is off in this runtime');
  const events = [{ id: -1, time: 't', type: 'taskCompleted', scheduledId: 1, attestation: { payload: 'x', signature: 'y' } }];
  expect(printed('history', { events })[1]).toBe('-1 | t | taskCompleted | attested scheduledId=1');
});

it('says what was done', () => {
  expect(printed('start', { instanceId: '17' })).toEqual(['17']);
  expect(printed('purge', { count: 2, complete: false })).toEqual(['2 purged, there are more']);
  expect(printed('suspend', {})).toEqual(['done']);
});
