import { expect, it } from 'vitest';
import type { CallRecord, RecordedAttempt } from '../host/admin.ts';
import type { Output } from './output.ts';
import { printStory } from './story.ts';

function told(attempts: readonly RecordedAttempt[], decisions: CallRecord['decisions']): string[] {
  const lines: string[] = [];
  const output = { line: (text = '') => void lines.push(text), style: (_name: string, text: string) => text } as unknown as Output;
  const call = {
    app: 'web',
    side: 'outbound',
    block: 'invoke',
    target: 'orders',
    operation: 'call',
    ok: false,
    flags: [],
    epoch: 0,
    lost: 0,
    startedAtMs: 0,
    attempts,
    decisions,
  };
  printStory('t', [call as unknown as CallRecord], output);
  return lines.filter((line) => /^ {2}(attempt|retry|hedge) /.test(line)).map((line) => line.trim().replace(/ +/g, ' '));
}

const attempt = (number: number, atMs: number, endpoint?: string): RecordedAttempt =>
  ({ number, atMs, tookMs: 10, ok: false, status: 503, ...(endpoint !== undefined && { endpoint }) }) as RecordedAttempt;
const decision = (role: string, number: number): CallRecord['decisions'][number] =>
  ({ role, kind: 'repeated', what: `${role} of ${number}`, target: 'x', attempt: number }) as CallRecord['decisions'][number];

it('tells of attempts in the order in which they began, and each decision once', () => {
  const attempts = [attempt(0, 0, 'a'), attempt(1, 400, 'b'), attempt(1, 80, 'c'), attempt(0, 1), attempt(2, 900), attempt(2, 800)];
  expect(told(attempts, [decision('hedge', 0), decision('retry', 0), decision('hedge', 1), decision('retry', 2)])).toEqual([
    'attempt 1 at 0.0 ms for 10 ms · 503 · a',
    'hedge hedge of 0',
    'retry retry of 0',
    'attempt 2 at 80 ms for 10 ms · 503 · c',
    'attempt 2 at 400 ms for 10 ms · 503 · b',
    'hedge hedge of 1',
    'attempt 3 at 900 ms for 10 ms · 503',
    'retry retry of 2',
  ]);
});

it('tells what was decided about attempts of which nothing else is known', () => {
  expect(told([], [decision('retry', 4)])).toEqual(['retry retry of 4']);
});
