import { expect, it } from 'vitest';
import { ProaError } from '../kernel/errors.ts';
import { createNodeProcess } from '../ports/node/process.ts';
import { Output } from './output.ts';
import { UsageError } from './parse-args.ts';
import { tellError } from './tell-error.ts';

it.each<[unknown, number, string]>([
  [
    new ProaError('not-found', 'there is no such thing', { hint: 'look again' }),
    4,
    'error: there is no such thing [not-found]\n  help: look again\n',
  ],
  [new ProaError('already-exists', 'twice'), 1, 'error: twice [already-exists]\n'],
  [new UsageError('what?'), 2, 'error: what?\n  help: proa help rollout\n'],
])('an error of a command has its exit code: %s', (thrown, code, text) => {
  const err: string[] = [];
  const system = { ...createNodeProcess(), writeErr: (line: string) => void err.push(line) };
  expect(tellError(thrown, 'rollout', new Output(system, { json: false, noColor: true, quiet: false }))).toBe(code);
  expect(err.join('')).toBe(text);
});
