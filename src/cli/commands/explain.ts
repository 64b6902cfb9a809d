import { problemCodes, type ProblemSpec } from '../../host/config/problem-codes.ts';
import { catalogue, type ErrorSpec } from '../../kernel/catalogue.ts';
import { closest } from '../../kernel/closest.ts';
import { exitCodes, type CommandContext } from '../context.ts';

const retries = {
  safe: 'may be repeated',
  never: 'repeating cannot help',
  unknown: 'it may have happened: repeat only what is idempotent',
} as const;

/** `proa explain`: which error codes there are, what one means (our codes, Dapr's and reasons, in any case), or which layers a call from app to app, or to a component, passes. */
export async function run(context: CommandContext): Promise<number> {
  const { args, output } = context;
  const { component } = args.values;
  if (component !== undefined) return (await import('../explain-component.ts')).explainComponents(context, component);
  const [written, ...rest] = args.positionals;
  if (written !== undefined && rest.length > 0) return (await import('../explain-call.ts')).explainCallOf(context, written, rest);
  if (written === undefined) return listCodes(context);
  const wanted = written.toLowerCase();
  const problem = Object.entries<ProblemSpec>(problemCodes).find(([code]) => code === wanted);
  if (problem !== undefined) {
    const [code, { title, why, fix }] = problem;
    if (output.json) output.value({ code, title, why, fix });
    else output.line(`${output.style('bold', code)}: ${title}\n\n${why}\n\n${output.style('bold', 'What to do')}: ${fix}`);
    return exitCodes.ok;
  }
  const errors = Object.entries<ErrorSpec>(catalogue);
  const found = errors.filter(([code, spec]) => [code, spec.errorCode, spec.reason].some((name) => name?.toLowerCase() === wanted));
  if (found.length === 0) {
    const names = [...Object.keys(problemCodes), ...errors.flatMap(([code, { errorCode }]) => [code, errorCode])];
    const guess = closest(written, names);
    output.error(`there is no code ${written}`, guess === undefined ? whereToLook(written) : `did you mean ${guess}?`);
    return exitCodes.notFound;
  }
  if (output.json) output.value(found.map(([code, spec]) => ({ code, ...spec })));
  else for (const [code, spec] of found) output.line(describe(code, spec));
  return exitCodes.ok;
}

// Codes of more than one word have a dot or an underscore: without, an app may be meant.
function whereToLook(written: string): string {
  const call = /[._]/.test(written) ? '' : `, \`proa explain ${written} <method>\` what a call to that app passes`;
  return `\`proa explain\` lists all codes${call}`;
}

/** All codes: of configuration, and of the APIs with what they are called there. */
function listCodes({ output }: CommandContext): number {
  const rows: readonly { readonly code: string; readonly errorCode?: string; readonly title: string }[] = [
    ...Object.entries<ProblemSpec>(problemCodes).map(([code, { title }]) => ({ code, title })),
    ...Object.entries<ErrorSpec>(catalogue).map(([code, { errorCode, title }]) => ({ code, errorCode, title })),
  ];
  if (output.json) output.value(rows);
  else output.table([['CODE', 'ERROR CODE', 'MEANING'], ...rows.map(({ code, errorCode = '', title }) => [code, errorCode, title])]);
  return exitCodes.ok;
}

function describe(code: string, spec: ErrorSpec): string {
  const lines = [`${code} (${spec.errorCode}): ${spec.title}`, `  HTTP ${spec.http}, gRPC ${spec.grpc}; ${retries[spec.retry]}`];
  if (spec.hint !== undefined) lines.push(`  what to do: ${spec.hint}`);
  return lines.join('\n');
}
