import { ProaError } from '../../kernel/errors.ts';
import type { ProblemCode } from './problem-codes.ts';
import { placeOf, type Span } from './source.ts';

/** Something wrong in a file. Loading reports all of them at once; with one of severity `error` nothing starts. */
export interface Problem {
  readonly severity: 'error' | 'warning';
  readonly code: ProblemCode;
  /** What is wrong, in one sentence without a full stop. */
  readonly message: string;
  readonly at?: Span;
  /** The line may hold a secret: print the place, not the text. */
  readonly concealed?: boolean;
  /** Facts that help to judge, for example the known names. */
  readonly notes?: readonly string[];
  /** What to do next. */
  readonly help?: string;
}

/** A problem as `--json` prints it; the shape is stable. */
export interface ProblemJson {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly notes?: readonly string[];
  readonly help?: string;
}

export function problemToJson(problem: Problem): ProblemJson {
  const { severity, code, message, notes, help } = problem;
  const place = problem.at && placeOf(problem.at);
  return {
    severity,
    code,
    message,
    ...(place && { file: place.file, line: place.line, column: place.column }),
    ...(notes && notes.length > 0 && { notes }),
    ...(help !== undefined && { help }),
  };
}

function excerpt(span: Span, concealed: boolean): string[] {
  const place = placeOf(span);
  const gutter = ' '.repeat(String(place.line).length);
  const lines = [`${gutter} ┌─ ${place.file}:${place.line}:${place.column}`];
  if (concealed) return lines;
  const length = Math.max(1, Math.min(span.end - span.start, place.lineText.length - place.column + 1));
  // Tabs keep their width under the caret line.
  const indent = place.lineText.slice(0, place.column - 1).replace(/[^\t]/g, ' ');
  lines.push(`${place.line} │ ${place.lineText}`, `${gutter} │ ${indent}${'^'.repeat(length)}`);
  return lines;
}

/** A problem for people: message, place with caret, notes, help, in the manner of Elm and Rust. No colours. */
export function renderProblem(problem: Problem): string {
  const lines = [`${problem.severity}[${problem.code}]: ${problem.message}`];
  if (problem.at) lines.push(...excerpt(problem.at, problem.concealed === true));
  for (const note of problem.notes ?? []) lines.push(`  = ${note}`);
  if (problem.help !== undefined) lines.push(`  help: ${problem.help}`);
  lines.push(`  docs: proa explain ${problem.code}`);
  return lines.join('\n');
}

/** In order of file names and places; problems without a place come last. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const fileOf = ({ at }: Problem): string => at?.source.file ?? '\uffff';
  return problems.toSorted((a, b) => {
    const [one, other] = [fileOf(a), fileOf(b)];
    return one === other ? (a.at?.start ?? 0) - (b.at?.start ?? 0) : one < other ? -1 : 1;
  });
}

/** True when something keeps the runtime from starting. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

/** One error that carries all problems, rendered; undefined when there is no error among them. */
export function problemsToError(problems: readonly Problem[]): ProaError | undefined {
  const errors = problems.filter((problem) => problem.severity === 'error');
  if (errors.length === 0) return undefined;
  const count = errors.length === 1 ? '1 error' : `${errors.length} errors`;
  const violations = errors.map((problem) => ({ field: problem.at ? placeOf(problem.at).file : '', description: problem.message }));
  const text = errors.map(renderProblem).join('\n\n');
  return new ProaError('config.invalid', `${text}\n\n${count} in the configuration`, { details: { violations } });
}
