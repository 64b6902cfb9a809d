import type { CommandContext } from './context.ts';
import type { FlagName } from './flags.ts';

/** A command: what help and completion need at once, and where its code is. */
export interface Command {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly group: 'Start' | 'Look' | 'Poke' | 'Data' | 'Help';
  readonly summary: string;
  readonly usage: string;
  readonly examples: readonly string[];
  readonly flags: readonly FlagName[];
  /** Of a command with verbs: flags that not all of them take, with those that do. */
  readonly only?: Readonly<Partial<Record<FlagName, readonly string[]>>>;
  /** Most words beside flags; absent: the command judges its words itself. */
  readonly words?: number;
  /** The first positional and all that follows belong to a program. */
  readonly program?: boolean;
  /** Left out of the command list. */
  readonly hidden?: boolean;
  load(): Promise<{ readonly run: (context: CommandContext) => Promise<number> }>;
}

/** A command by its name or an alias. */
export function findCommand(commands: readonly Command[], name: string): Command | undefined {
  return commands.find((command) => command.name === name || command.aliases?.includes(name));
}
