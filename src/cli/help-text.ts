import type { Command } from './command.ts';
import { flagOf, globalFlags, type FlagName } from './flags.ts';
import type { Output } from './output.ts';

const groups = ['Start', 'Look', 'Poke', 'Data', 'Help'] as const;

function programHelp(commands: readonly Command[], output: Output): string {
  const lines = [
    `${output.style('bold', 'proa')}: a distributed application runtime; Dapr's APIs, durable by default, no Docker`,
    '',
    '  proa demo                      look around in sixty seconds',
    '  proa run -- node app.js        your application with state, events, locks, secrets at hand',
    '  proa run -f .                  all applications of proa.yaml or dapr.yaml',
  ];
  for (const group of groups) {
    lines.push('', output.style('bold', group));
    for (const { name, summary } of commands.filter((command) => command.group === group && command.hidden !== true)) {
      lines.push(`  ${name.padEnd(12)} ${summary}`);
    }
  }
  lines.push(
    '',
    output.style('bold', 'Exit codes'),
    ...exitCodeLines,
    '',
    'proa help <command> tells more. Every command takes --json, --no-color, --quiet.',
  );
  return lines.join('\n');
}

const exitCodeLines = [
  '  0 fine   1 failed   2 usage   3 a check is not satisfied   4 not found   5 timeout',
  "  6 no runtime reached   70 internal   126/127 command not executable/not found   `run` passes an application's own code on",
  '  128+n signal n, sent twice to `run` (once is a drain, which ends with 0)',
];

function flagLine(name: FlagName, verbs: readonly string[] = []): string {
  const flag = flagOf(name);
  const short = flag.short === undefined ? '    ' : `-${flag.short}, `;
  const value = flag.type === 'flag' ? '' : ` <${flag.value ?? flag.type}>`;
  const words = flag.words === undefined ? '' : ` (${flag.words.join(', ')})`;
  const fallback = flag.fallback === undefined ? '' : ` [${flag.fallback}]`;
  const of = verbs.length === 0 ? '' : `${verbs.join(', ')}: `;
  return `  ${`${short}--${name}${value}`.padEnd(42)} ${of}${flag.doc}${words}${fallback}`;
}

// Examples first, then flags, those without effect last.
function commandHelp(command: Command, output: Output): string {
  const shown = command.flags.filter((name) => flagOf(name).deprecated === undefined);
  const inert = shown.filter((name) => flagOf(name).inert === true);
  const lines = [`${output.style('bold', `proa ${command.name}`)}: ${command.summary}`, '', `  ${command.usage}`, ''];
  lines.push(output.style('bold', 'Examples'), ...command.examples.map((example) => `  ${example}`));
  const line = (name: FlagName): string => flagLine(name, command.only?.[name]);
  lines.push('', output.style('bold', 'Flags'), ...[...shown.filter((name) => !inert.includes(name)), ...globalFlags].map(line));
  if (inert.length > 0) lines.push('', output.style('bold', "Accepted for Dapr's sake, without effect"), ...inert.map(line));
  lines.push('', output.style('bold', 'Exit codes'), ...exitCodeLines);
  return lines.join('\n');
}

/** Prints the help of the program, or of one command: a text, or with --json what it is made of. */
export function printHelp(commands: readonly Command[], command: Command | undefined, output: Output): void {
  if (output.json) output.value(command === undefined ? programFacts(commands) : commandFacts(command));
  else output.line(command === undefined ? programHelp(commands, output) : commandHelp(command, output));
}

function programFacts(commands: readonly Command[]): object {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  return { commands: shown.map(({ name, group, summary, usage }) => ({ name, group, summary, usage })) };
}

function commandFacts({ name, summary, usage, examples, flags, only }: Command): object {
  const shown = [...flags, ...globalFlags].filter((flag) => flagOf(flag).deprecated === undefined);
  return {
    name,
    summary,
    usage,
    examples,
    flags: shown.map((flag) => {
      const { short, type, words, fallback, doc, inert } = flagOf(flag);
      return { name: flag, short, type, words, default: fallback, verbs: only?.[flag], withoutEffect: inert, doc };
    }),
  };
}
