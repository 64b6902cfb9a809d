import { findCommand } from '../command.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { printHelp } from '../help-text.ts';
import { UsageError } from '../parse-args.ts';

/** `proa help [command]`. */
export async function run({ args, output, commands }: CommandContext): Promise<number> {
  const [name] = args.positionals;
  const command = name === undefined ? undefined : findCommand(commands, name);
  if (name !== undefined && command === undefined) throw new UsageError(`there is no command "${name}"`, 'proa --help');
  printHelp(commands, command, output);
  return exitCodes.ok;
}
