import { closest } from '../kernel/closest.ts';
import type { Command } from './command.ts';
import type { FlagName, FlagValues } from './flags.ts';
import { type ParsedArgs, UsageError } from './parse-args.ts';

/** One form of a command with verbs: `raise <id> <event>`. */
interface Form {
  readonly verb: string;
  /** As usage writes them: `<id>` is needed, `[id]` may be left out, `[id ...]` may come again and again. */
  readonly names: readonly string[];
  readonly needed: number;
  readonly most: number;
}

/**
 * The verb of a command line and what it names, checked against the forms that the command's usage shows. Fails with a UsageError that says which verb is
 * unknown, which name is missing or empty, which word is one too many, or which flag the verb does not take.
 */
export function readVerb(
  command: Command,
  { positionals, values }: Pick<ParsedArgs, 'positionals' | 'values'>,
): { readonly verb: string; readonly names: readonly string[] } {
  const forms = formsOf(command);
  const [verb, ...names] = positionals;
  const verbs = forms.map((form) => form.verb);
  if (verb === undefined) throw new UsageError(`say what to do: ${verbs.join(', ')}`, command.examples[0]);
  const form = forms.find((each) => each.verb === verb);
  if (form === undefined) {
    const guess = closest(verb, verbs);
    const hint = guess === undefined ? `it knows ${verbs.join(', ')}` : `did you mean \`proa ${command.name} ${guess}\`?`;
    throw new UsageError(`proa ${command.name} does not know "${verb}"`, hint);
  }
  const whole = ['proa', command.name, verb, ...form.names].join(' ');
  if (names.length < form.needed) throw new UsageError(`${form.names[names.length]} is missing`, whole);
  // A variable of a script that was not set: the name is missing from the path, and another route would answer.
  const empty = names.indexOf('');
  if (empty !== -1) throw new UsageError(`${form.names[Math.min(empty, form.names.length - 1)]} is empty`, whole);
  if (names.length > form.most) throw new UsageError(`"${names[form.most]}" is one word too many`, whole);
  const stranger = strangerOf(command, verb, values);
  if (stranger !== undefined) throw new UsageError(notTaken(command, verb, stranger), hintFor(command, verb, stranger));
  const unset = nameFlags.find((flag) => values[flag]?.length === 0);
  if (unset !== undefined) throw new UsageError(`--${unset} is empty`, `leave it out, or: proa help ${command.name}`);
  return { verb, names };
}

// Left out they mean "any", "all" or "a fresh one": an empty one would widen what somebody meant to narrow.
const nameFlags = [
  'app-id',
  'id',
  'status',
  'name',
  'after',
  'before',
  'attribute',
  'token',
  'at',
  'prefix',
] as const satisfies readonly FlagName[];

/** A flag that was given and that the verb would leave out silently. */
export function strangerOf(command: Command, verb: string, values: FlagValues): FlagName | undefined {
  return (Object.keys(values) as FlagName[]).find((flag) => !takes(command, verb, flag));
}

/** The sentence about it. */
export function notTaken({ name }: Command, verb: string, flag: FlagName): string {
  return `proa ${name} ${verb} takes no --${flag}`;
}

function takes({ only }: Command, verb: string, flag: FlagName): boolean {
  return only?.[flag]?.includes(verb) !== false;
}

function hintFor(command: Command, verb: string, flag: FlagName): string {
  const guess = closest(
    flag,
    command.flags.filter((each) => takes(command, verb, each)),
  );
  if (guess !== undefined) return `did you mean --${guess}?`;
  return `it belongs to ${(command.only?.[flag] ?? []).map((each) => `proa ${command.name} ${each}`).join(', ')}`;
}

function formsOf({ name, usage }: Command): readonly Form[] {
  return usage
    .replace(`proa ${name} `, '')
    .replace(/ \[flags\]$/, '')
    .split(' | ')
    .map((text) => {
      const [verb = ''] = text.split(' ', 1);
      const names = text.match(/<[^>]+>|\[[^\]]+\]/g) ?? [];
      const needed = names.filter((each) => each.startsWith('<')).length;
      return { verb, names, needed, most: names.some((each) => each.includes('...')) ? Infinity : names.length };
    });
}
