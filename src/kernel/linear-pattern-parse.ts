const patternCharsMax = 1_000;
const depthMax = 50;
const countMax = 1_000;

/** A parsed pattern; `accepts` judges a code point. */
export type PatternNode =
  | { readonly kind: 'code'; readonly accepts: (code: number) => boolean }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence'; readonly parts: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly options: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly inner: PatternNode; readonly least: number; readonly most: number };

type Range = readonly [from: number, to: number];

const digit: readonly Range[] = [[48, 57]];
const word: readonly Range[] = [...digit, [65, 90], [95, 95], [97, 122]];
const space: readonly Range[] = [
  [9, 10],
  [12, 13],
  [32, 32],
];
const classes: Readonly<Record<string, readonly Range[]>> = { d: digit, w: word, s: space };
const controls: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v' };

const within =
  (ranges: readonly Range[], negated: boolean) =>
  (code: number): boolean =>
    ranges.some(([from, to]) => code >= from && code <= to) !== negated;

/** Parses a pattern; see `compilePattern` for the syntax. Fails with an Error that names the place. */
export function parsePattern(pattern: string): PatternNode {
  if (pattern.length > patternCharsMax) throw new Error(`the pattern is longer than ${patternCharsMax} characters`);
  return new Parser(pattern).parse();
}

class Parser {
  readonly #characters: readonly string[];
  readonly #pattern: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#characters = [...pattern];
  }

  parse(): PatternNode {
    const node = this.#choice();
    if (this.#at < this.#characters.length) throw this.#error('unexpected )');
    return node;
  }

  #choice(): PatternNode {
    const options = [this.#sequence()];
    while (this.#take('|')) options.push(this.#sequence());
    return options.length === 1 ? (options[0] as PatternNode) : { kind: 'choice', options };
  }

  #sequence(): PatternNode {
    const parts: PatternNode[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): PatternNode {
    let node = this.#atom();
    for (let count = this.#count(); count !== undefined; count = this.#count()) {
      if (node.kind === 'repeat' || node.kind === 'start' || node.kind === 'end') throw this.#error('nothing to repeat');
      node = { kind: 'repeat', inner: node, ...count };
      // Whether a repetition is greedy does not change whether it matches.
      this.#take('?');
    }
    return node;
  }

  #count(): { readonly least: number; readonly most: number } | undefined {
    if (this.#take('*')) return { least: 0, most: Infinity };
    if (this.#take('+')) return { least: 1, most: Infinity };
    if (this.#take('?')) return { least: 0, most: 1 };
    if (this.#peek() !== '{') return undefined;
    const rest = this.#characters.slice(this.#at, this.#at + 12).join('');
    const match = /^\{(\d+)(,(\d*))?\}/.exec(rest);
    // As in RE2, a brace that is no count stands for itself.
    if (match === null) return undefined;
    this.#at += match[0].length;
    const least = Number(match[1]);
    const most = match[2] === undefined ? least : match[3] === '' ? Infinity : Number(match[3]);
    if (least > countMax || (most !== Infinity && most > countMax) || most < least) throw this.#error('invalid repeat count');
    return { least, most };
  }

  #atom(): PatternNode {
    const character = this.#next();
    if (character === '(') return this.#group();
    if (character === '[') return this.#class();
    if (character === '.') return { kind: 'code', accepts: (code) => code !== 10 };
    if (character === '^') return { kind: 'start' };
    if (character === '$') return { kind: 'end' };
    if (character === '\\') return this.#escape();
    if (character === '*' || character === '+' || character === '?') throw this.#error('nothing to repeat');
    return literal(character);
  }

  #group(): PatternNode {
    if (this.#take('?')) {
      if (this.#take('P')) this.#groupName();
      else if (!this.#take(':')) throw this.#error('look-around and flags are not supported');
    }
    if (++this.#depth > depthMax) throw this.#error('groups are nested too deeply');
    const inner = this.#choice();
    if (!this.#take(')')) throw this.#error('a group is not closed');
    this.#depth--;
    return inner;
  }

  #groupName(): void {
    if (!this.#take('<')) throw this.#error('a group name is missing');
    while (this.#next() !== '>');
  }

  #escape(): PatternNode {
    const character = this.#next();
    const ranges = classes[character.toLowerCase()];
    if (ranges !== undefined) return { kind: 'code', accepts: within(ranges, character !== character.toLowerCase()) };
    if (character === 'A') return { kind: 'start' };
    if (character === 'z') return { kind: 'end' };
    return literal(this.#escaped(character));
  }

  #escaped(character: string): string {
    const control = controls[character];
    if (control !== undefined) return control;
    if (/[A-Za-z0-9]/.test(character)) throw this.#error(`the escape \\${character} is not supported`);
    return character;
  }

  #class(): PatternNode {
    const negated = this.#take('^');
    const ranges: Range[] = [];
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const character = this.#next();
      if (character === '[' && this.#peek() === ':') throw this.#error('named classes are not supported');
      if (character === '\\' && classes[this.#peek() ?? ''] !== undefined) {
        ranges.push(...(classes[this.#next()] as readonly Range[]));
        continue;
      }
      const from = codeOf(character === '\\' ? this.#escaped(this.#next()) : character);
      let to = from;
      if (this.#peek() === '-' && this.#characters[this.#at + 1] !== ']') {
        this.#at++;
        const last = this.#next();
        to = codeOf(last === '\\' ? this.#escaped(this.#next()) : last);
        if (to < from) throw this.#error('a range of a class is backwards');
      }
      ranges.push([from, to]);
    }
    this.#at++;
    return { kind: 'code', accepts: within(ranges, negated) };
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const character = this.#characters[this.#at++];
    if (character === undefined) throw this.#error('it ends too early');
    return character;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #error(what: string): Error {
    return new Error(`the pattern ${JSON.stringify(this.#pattern)} is not valid at character ${this.#at}: ${what}`);
  }
}

function literal(character: string): PatternNode {
  const wanted = codeOf(character);
  return { kind: 'code', accepts: (code) => code === wanted };
}

function codeOf(character: string): number {
  return character.codePointAt(0) as number;
}
