import { closest } from '../kernel/closest.ts';
import { findCommand, type Command } from './command.ts';
import { commands } from './commands.ts';
import { exitCodes, type CommandContext, type Surroundings } from './context.ts';
import { globalFlags } from './flags.ts';
import { printHelp } from './help-text.ts';
import { Output } from './output.ts';
import { parseArgs, UsageError, type ParsedArgs } from './parse-args.ts';
import { tellError } from './tell-error.ts';

/** Runs the command line and answers the exit code. Never fails. `args` are those after the program's name. */
export async function main(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { ports } = surroundings;
  const plain = new Output(ports.process, { json: args.includes('--json'), noColor: args.includes('--no-color'), quiet: false });
  const [name, ...following] = args;
  if (name === undefined || name === '--help' || name === '-h') {
    printHelp(commands, undefined, plain);
    return exitCodes.ok;
  }
  const command = findCommand(commands, name === '--version' ? 'version' : name);
  if (command === undefined) return unknownCommand(name, plain);
  let context: CommandContext;
  try {
    const parsed = parseArgs(following, { accepts: [...command.flags, ...globalFlags], program: command.program === true });
    if (parsed.values.help === true) {
      printHelp(commands, command, outputFor(parsed, surroundings));
      return exitCodes.ok;
    }
    refuseSurplus(command, parsed);
    context = { ...surroundings, command, commands, args: parsed, output: outputFor(parsed, surroundings) };
  } catch (thrown) {
    if (!(thrown instanceof UsageError)) throw thrown;
    plain.error(thrown.message, thrown.hint ?? `proa help ${command.name}`);
    return exitCodes.usage;
  }
  for (const warning of context.args.warnings) context.output.warn(warning);
  return execute(command, context);
}

// What was meant by it would silently not happen.
function refuseSurplus({ words, usage }: Command, { positionals, rest }: ParsedArgs): void {
  const surplus = words === undefined ? undefined : [...positionals, ...rest][words];
  if (surplus !== undefined) throw new UsageError(`"${surplus}" is one word too many`, usage);
}

function outputFor({ values }: ParsedArgs, { ports }: Surroundings): Output {
  return new Output(ports.process, { json: values.json === true, noColor: values['no-color'] === true, quiet: values.quiet === true });
}

function unknownCommand(name: string, output: Output): number {
  const guess = closest(
    name,
    commands.flatMap((command) => [command.name, ...(command.aliases ?? [])]),
  );
  const what = name.startsWith('-') ? `unknown flag ${name}` : `unknown command "${name}"`;
  output.error(what, guess === undefined ? 'proa --help lists the commands' : `did you mean \`proa ${guess}\`?`);
  return exitCodes.usage;
}

async function execute(command: Command, context: CommandContext): Promise<number> {
  try {
    const loaded = await command.load();
    return await loaded.run(context);
  } catch (thrown) {
    return tellError(thrown, command.name, context.output);
  }
}
