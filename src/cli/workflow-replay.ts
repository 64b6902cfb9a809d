import { resolve } from 'node:path';
import { isProaError, ProaError } from '../kernel/errors.ts';
import type { AnyWorkflow } from '../sdk/workflow/definition.ts';
import { replayHistories, type ReplayResult } from '../sdk/workflow/replay-history.ts';
import { askJson } from './ask-json.ts';
import { exitCodes, type CommandContext } from './context.ts';
import { onlyApp } from './only-app.ts';
import { harmless, type Output } from './output.ts';
import { UsageError } from './parse-args.ts';

interface Recorded {
  /** The id of the instance, or the file. */
  readonly from: string;
  readonly history: unknown;
}

/**
 * `proa wf replay`: histories of a runtime, or recorded ones, against the workflows that a module exports. Nothing is executed. Exit code 0: all of them fit;
 * 3: one does not; 4: there is no such instance, module or file.
 */
export async function replayWorkflows(context: CommandContext, ids: readonly string[]): Promise<number> {
  const { module: moduleFile, history: files = [] } = context.args.values;
  if (moduleFile === undefined)
    throw new UsageError('--module is missing: the file that exports the workflows', context.command.examples.at(-1));
  if (ids.length + files.length === 0)
    throw new UsageError('say which history: the id of an instance, or --history with a file', context.command.examples.at(-1));
  const recorded: Recorded[] = [];
  for (const id of ids) {
    const history = await historyOf(context, id);
    if (typeof history === 'number') return history;
    recorded.push(history);
  }
  for (const file of files) {
    const text = await read(context, file);
    if (text === undefined) return exitCodes.notFound;
    recorded.push(...parsed(file, text));
  }
  const workflows = await workflowsOf(context, moduleFile);
  if (typeof workflows === 'number') return workflows;
  const results: ReplayResult[] = [];
  for (const each of recorded) results.push(await replayed(workflows, each));
  return tell(results, context.output);
}

async function historyOf(context: CommandContext, id: string): Promise<Recorded | number> {
  const path = `/proa/v1/workflows/${encodeURIComponent(id)}/history`;
  const appId = await onlyApp(context);
  if (typeof appId === 'number') return appId;
  const hint = (): string => 'it must be an instance of the app; `proa wf list` shows them';
  const answer = await askJson(context, { appId, method: 'GET', path }, { hint });
  return typeof answer === 'number' ? answer : { from: id, history: answer.value };
}

async function read({ ports, output }: CommandContext, file: string): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await ports.disk.readFile(resolve(ports.process.cwd(), file)));
  } catch (thrown) {
    const { code, message } = thrown as { readonly code?: string; readonly message?: string };
    output.error(code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${message}`, recordingHint);
    return undefined;
  }
}

// One history, or one a line: what several calls of `proa wf history --json` append to a file.
function parsed(file: string, text: string): Recorded[] {
  try {
    return [{ from: file, history: JSON.parse(text) as unknown }];
  } catch {
    const lines = text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [{ from: `${file}:${i + 1}`, line }]));
    if (lines.length === 0) throw new ProaError('bad-request', `${file} is empty`, { hint: recordingHint });
    return lines.map(({ from, line }) => {
      try {
        return { from, history: JSON.parse(line) as unknown };
      } catch {
        throw new ProaError('bad-request', `${from} is not JSON`, { hint: recordingHint });
      }
    });
  }
}

const recordingHint = 'record histories with `proa wf history <id> --json`';

async function workflowsOf({ ports, output }: CommandContext, file: string): Promise<readonly AnyWorkflow[] | number> {
  const path = resolve(ports.process.cwd(), file);
  if ((await ports.disk.stat(path)) === undefined) {
    output.error(`there is no module ${file}`, 'the JavaScript that your build makes; a path is taken from the directory of now');
    return exitCodes.notFound;
  }
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await ports.process.importModule(path);
  } catch (thrown) {
    output.error(`${file} cannot be loaded: ${placeOf(thrown)}`, loadingHint(file));
    return exitCodes.failed;
  }
  const found = new Set(Object.values(exported).flat().filter(isWorkflow));
  if (found.size > 0) return [...found];
  output.error(
    `${file} exports no workflow`,
    "export what `workflow({ name: '...' }, ...)` of proa/sdk makes; those of Dapr's SDKs cannot be replayed here",
  );
  return exitCodes.failed;
}

// Without the frames of Node and of this program, which say nothing about the module.
function placeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const lines = (thrown.stack ?? thrown.message).split('\n');
  return lines.filter((line) => !/^\s+at .*(?:node:|\/dist\/bin\/)/.test(line)).join('\n');
}

function loadingHint(file: string): string {
  return /\.[mc]?tsx?$/.test(file)
    ? 'name what your build makes of it, or run with a Node that knows TypeScript (22.18 or newer)'
    : 'a module for this exports workflows and starts nothing: keep them apart from what serves the app';
}

// Of any copy of the package: the module has its own.
function isWorkflow(value: unknown): value is AnyWorkflow {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, name, run } = value as Readonly<Record<string, unknown>>;
  return kind === 'workflow' && typeof name === 'string' && typeof run === 'function';
}

async function replayed(workflows: readonly AnyWorkflow[], { from, history }: Recorded): Promise<ReplayResult> {
  try {
    const [result] = await replayHistories(workflows, [history]);
    return result as ReplayResult;
  } catch (thrown) {
    if (!isProaError(thrown) || thrown.code !== 'bad-request') throw thrown;
    throw new ProaError('bad-request', `${from} holds no history: it must be a list of events, from the start of the instance`, {
      hint: recordingHint,
    });
  }
}

function tell(results: readonly ReplayResult[], output: Output): number {
  const misfits = results.flatMap(({ report }) => (report === undefined ? [] : [report]));
  if (output.json) {
    output.value({
      fits: misfits.length === 0,
      results: results.map(({ report, ...each }) => ({ ...each, fits: report === undefined, report })),
    });
  } else {
    output.table([
      ['ID', 'WORKFLOW', 'EVENTS', 'RESULT'],
      ...results.map((each) => [
        harmless(each.instanceId),
        harmless(each.workflow),
        String(each.events),
        each.report === undefined ? 'fits' : 'does not fit',
      ]),
    ]);
    for (const report of misfits) output.line(`\n${report.split('\n').map(harmless).join('\n')}`);
  }
  if (misfits.length === 0) return exitCodes.ok;
  output.say(`\n${misfits.length} of ${results.length} ${results.length === 1 ? 'history does' : 'histories do'} not fit the code`);
  return exitCodes.unsatisfied;
}
