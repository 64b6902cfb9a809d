import type { Logger } from '../kernel/log.ts';
import { logFields } from '../kernel/names.ts';
import { problemToJson, type Problem } from './config/problem.ts';
import type { HostOptions } from './host-api.ts';

/** Problems of an app's files, where whoever runs it looks: drawn for a person at a terminal, lines of the log for what reads logs. */
export function tellProblems(
  { events, shared, log }: Pick<HostOptions, 'events' | 'shared'> & { readonly log: Logger },
  appId: string,
  problems: readonly Problem[],
): void {
  if (problems.length === 0) return;
  if (shared.mode !== 'sidecar' || shared.logFormat === 'human') {
    events({ kind: 'problems', appId, problems });
    return;
  }
  logProblems(log, problems);
}

/** A line of the log for each. */
export function logProblems(log: Logger, problems: readonly Problem[]): void {
  for (const problem of problems) {
    const { severity, code, message, file, line, column, notes, help } = problemToJson(problem);
    log[severity === 'error' ? 'error' : 'warn'](message, {
      [logFields.reason]: code,
      ...(file !== undefined && { [logFields.source]: `${file}:${line}:${column}` }),
      ...(notes !== undefined && { [logFields.details]: notes.join('; ') }),
      ...(help !== undefined && { [logFields.hint]: help }),
    });
  }
}
