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
  [
    Object.assign(new Error("EACCES: permission denied, stat '/d'"), { code: 'EACCES', syscall: 'stat' }),
    1,
    "error: EACCES: permission denied, stat '/d'\n  help: this user may not do that: look at owner and mode, or name another place\n",
  ],
  [new UsageError('what?'), 2, 'error: what?\n  help: proa help rollout\n'],
])('an error of a command has its exit code: %s', (thrown, code, text) => {
  const err: string[] = [];
  const system = { ...createNodeProcess(), writeErr: (line: string) => void err.push(line) };
  expect(tellError(thrown, 'rollout', new Output(system, { json: false, noColor: true, quiet: false }))).toBe(code);
  expect(err.join('')).toBe(text);
});

it('an error that nobody expected is a bug, with its stack', () => {
  const err: string[] = [];
  const system = { ...createNodeProcess(), writeErr: (line: string) => void err.push(line) };
  const output = new Output(system, { json: false, noColor: true, quiet: false });
  expect(tellError(Object.assign(new TypeError('x is not a function'), { code: 'EACCES' }), 'list', output)).toBe(70);
  expect(err.join('')).toMatch(/TypeError: x is not a function\n +at [^]*this is a bug of Proa/);
});
