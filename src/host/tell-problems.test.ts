import { expect, it } from 'vitest';
import { recordingLogger } from '../testing/driver-context.ts';
import type { Problem } from './config/problem.ts';
import type { Source } from './config/source.ts';
import type { HostEvent, HostSettings } from './host-api.ts';
import { tellProblems } from './tell-problems.ts';

const source: Source = { file: '/r/p.yaml', text: 'spec:\n  timeuot: 1s\n' };
const problem: Problem = {
  severity: 'error',
  code: 'config.unknown-key',
  message: 'spec: unknown key `timeuot`',
  at: { source, start: 8, end: 15 },
  notes: ['known keys: timeout'],
  help: 'did you mean `timeout`?',
};

function told(shared: Partial<HostSettings>): { readonly lines: readonly string[]; readonly events: readonly HostEvent[] } {
  const lines: string[] = [];
  const events: HostEvent[] = [];
  const options = { shared: shared as HostSettings, log: recordingLogger(lines), events: (event: HostEvent) => void events.push(event) };
  tellProblems(options, 'web', []);
  tellProblems(options, 'web', [problem, { ...problem, severity: 'warning' }]);
  return { lines, events };
}

it('makes one line of the log of each where a sidecar writes one for programs', () => {
  for (const logFormat of ['json', 'logfmt'] as const) {
    const { lines, events } = told({ mode: 'sidecar', logFormat });
    const fields =
      '{"reason":"config.unknown-key","source":"/r/p.yaml:2:3","details":"known keys: timeout","hint":"did you mean `timeout`?"}';
    expect(lines).toEqual([`error spec: unknown key \`timeuot\` ${fields}`, `warn spec: unknown key \`timeuot\` ${fields}`]);
    expect(events).toEqual([]);
  }
});

it('leaves drawing them to the command where a person looks', () => {
  for (const shared of [
    { mode: 'sidecar', logFormat: 'human' },
    { mode: 'run', logFormat: 'json' },
  ] as const) {
    const { lines, events } = told(shared);
    expect(lines).toEqual([]);
    expect(events).toMatchObject([{ kind: 'problems', appId: 'web', problems: [problem, {}] }]);
  }
});
