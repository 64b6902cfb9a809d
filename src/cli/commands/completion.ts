import type { Command } from '../command.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { flagOf, globalFlags, type FlagName } from '../flags.ts';
import { UsageError } from '../parse-args.ts';

const shells = { bash, zsh, fish } as const;

function flagsOf(command: Command): FlagName[] {
  return [...command.flags, ...globalFlags].filter((name) => flagOf(name).deprecated === undefined);
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map(
    (command) =>
      `    ${[command.name, ...(command.aliases ?? [])].join('|')}) words="${flagsOf(command)
        .map((name) => `--${name}`)
        .join(' ')}" ;;`,
  );
  return `_proa() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _proa proa`;
}

/** Inside single quotes of a shell. */
function quoted(text: string): string {
  return text.replaceAll("'", `'\\''`);
}

function zsh(commands: readonly Command[]): string {
  const list = commands.map(({ name, summary }) => `    '${name}:${quoted(summary).replaceAll(':', '\\:')}'`);
  const cases = commands.map((command) => {
    const specs = flagsOf(command).map(
      (name) =>
        `'--${name}[${quoted(flagOf(name).doc).replaceAll('[', '(').replaceAll(']', ')')}]${flagOf(name).type === 'flag' ? '' : ':value:_files'}'`,
    );
    return `    ${command.name}) _arguments ${specs.join(' ')} '*:file:_files' ;;`;
  });
  return `#compdef proa
_proa() {
  local -a commands
  commands=(
${list.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local command="\${words[2]}"
  shift words; (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
compdef _proa proa`;
}

function fish(commands: readonly Command[]): string {
  const lines = ['complete -c proa -f'];
  for (const command of commands) {
    lines.push(`complete -c proa -n __fish_use_subcommand -a ${command.name} -d '${command.summary.replaceAll("'", "\\'")}'`);
    for (const name of flagsOf(command)) {
      const { type, doc, short, words } = flagOf(name);
      const takes = type === 'flag' ? '' : words === undefined ? ' -r -F' : ` -x -a '${words.join(' ')}'`;
      const letter = short === undefined ? '' : ` -s ${short}`;
      lines.push(
        `complete -c proa -n '__fish_seen_subcommand_from ${command.name}' -l ${name}${letter}${takes} -d '${doc.replaceAll("'", "\\'")}'`,
      );
    }
  }
  return lines.join('\n');
}

/** `proa completion`: a script for one shell, made from the flag table. */
export async function run({ args, output, commands }: CommandContext): Promise<number> {
  const [shell] = args.positionals;
  if (shell === undefined || !Object.hasOwn(shells, shell))
    throw new UsageError('which shell?', `proa completion <${Object.keys(shells).join('|')}>`);
  const script = shells[shell as keyof typeof shells](commands.filter(({ hidden }) => hidden !== true));
  if (output.json) output.value({ shell, script });
  else output.line(script);
  return exitCodes.ok;
}
