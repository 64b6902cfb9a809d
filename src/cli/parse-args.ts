import { parseByteSize } from '../kernel/byte-size.ts';
import { closest } from '../kernel/closest.ts';
import { parseDuration } from '../kernel/duration.ts';
import { flagOf, type Flag, type FlagName, type FlagValues } from './flags.ts';

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  readonly hint: string | undefined;
  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

export interface ParsedArgs {
  readonly values: FlagValues;
  /** What is no flag, in order. */
  readonly positionals: readonly string[];
  /** Everything after `--`, or after the first positional for commands that start a program. */
  readonly rest: readonly string[];
  /** Deprecated flags that were given. */
  readonly warnings: readonly string[];
}

export interface ParseOptions {
  readonly accepts: readonly FlagName[];
  /** The first positional and all that follows belong to a program. */
  readonly program?: boolean;
}

const yes = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const no = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** The value of a flag from its text; fails with a UsageError that names flag and form. */
export function readValue(name: string, flag: Flag, text: string): unknown {
  const wrong = (form: string): never => {
    throw new UsageError(`invalid value "${text}" for --${name}: must be ${form}`);
  };
  switch (flag.type) {
    case 'flag':
      return yes.includes(text) ? true : no.includes(text) ? false : wrong('true or false');
    case 'number':
      return /^[+-]?\d{1,15}$/.test(text) ? checkPort(name, flag, Number(text)) : wrong('a whole number');
    case 'duration':
      return parseDuration(text) ?? wrong('a duration such as 500ms, 10s, 1h30m');
    case 'size':
      return parseByteSize(text) ?? wrong('a size such as 4Mi or 100Ki');
    case 'list':
      return text
        .split(',')
        .filter((part) => part !== '')
        .map((part) => checkWord(name, flag, part));
    case 'text':
      return checkWord(name, flag, text);
  }
}

function checkPort(name: string, flag: Flag, value: number): number {
  if (flag.value === 'port' && (value < 0 || value > 65_535))
    throw new UsageError(`invalid value "${value}" for --${name}: must be a port from 0 to 65535`);
  return value;
}

function checkWord(name: string, flag: Flag, text: string): string {
  if (flag.words === undefined) return text;
  const lower = text.toLowerCase();
  const word = flag.words.find((each) => each.toLowerCase() === lower);
  if (word !== undefined) return word;
  const guess = closest(text, flag.words);
  throw new UsageError(`invalid value "${text}" for --${name}: must be one of ${flag.words.join(', ')}`, guess && `did you mean ${guess}?`);
}

interface Reading {
  readonly names: ReadonlyMap<string, FlagName>;
  readonly shorts: ReadonlyMap<string, FlagName>;
  readonly values: Record<string, unknown>;
  readonly warnings: string[];
  readonly args: readonly string[];
  at: number;
}

/** Parses as daprd does: one or two dashes, `--flag=value` or `--flag value`, any order, lists repeated or with commas. */
export function parseArgs(args: readonly string[], { accepts, program = false }: ParseOptions): ParsedArgs {
  const names = new Map<string, FlagName>();
  const shorts = new Map<string, FlagName>();
  for (const name of accepts) {
    const flag = flagOf(name);
    for (const known of [name, ...(flag.aliases ?? [])]) names.set(known, name);
    if (flag.short !== undefined && !shorts.has(flag.short)) shorts.set(flag.short, name);
  }
  const reading: Reading = { names, shorts, values: {}, warnings: [], args, at: 0 };
  const positionals: string[] = [];
  while (reading.at < args.length) {
    const arg = args[reading.at++] as string;
    if (arg === '--') break;
    if (arg.length > 1 && arg.startsWith('-')) {
      readFlag(arg, reading);
    } else if (program) {
      reading.at -= 1;
      break;
    } else {
      positionals.push(arg);
    }
  }
  return { values: reading.values as FlagValues, positionals, rest: args.slice(reading.at), warnings: reading.warnings };
}

function readFlag(arg: string, reading: Reading): void {
  const equals = arg.indexOf('=');
  const written = arg.slice(0, equals === -1 ? undefined : equals).replace(/^--?/, '');
  const isShort = !arg.startsWith('--') && written.length === 1;
  const name = (isShort ? reading.shorts.get(written) : undefined) ?? reading.names.get(written);
  if (name === undefined) {
    const guess = closest(written, reading.names.keys());
    throw new UsageError(`unknown flag ${arg.slice(0, equals === -1 ? undefined : equals)}`, guess && `did you mean --${guess}?`);
  }
  const flag = flagOf(name);
  const text = equals === -1 ? followingValue(name, flag, reading) : arg.slice(equals + 1);
  const value = readValue(name, flag, text);
  const before = reading.values[name];
  reading.values[name] = flag.type === 'list' && Array.isArray(before) ? [...(before as string[]), ...(value as string[])] : value;
  if (flag.deprecated !== undefined) reading.warnings.push(`--${written} is deprecated, use ${flag.deprecated}`);
}

function followingValue(name: string, flag: Flag, reading: Reading): string {
  // Like pflag: a flag without `=` is true, a following word is not its value.
  if (flag.type === 'flag') return 'true';
  const next = reading.args[reading.at];
  if (next === undefined) throw new UsageError(`--${name} needs a value (${flag.value ?? 'text'})`);
  reading.at += 1;
  return next;
}

/** The given value or the table's default, for flags that have one. */
export function valueOrDefault<Name extends FlagName>(values: FlagValues, name: Name): FlagValues[Name] {
  const { fallback } = flagOf(name);
  if (values[name] !== undefined || fallback === undefined) return values[name];
  return readValue(name, flagOf(name), fallback) as FlagValues[Name];
}
