/**
 * Regular expressions with RE2's promise: time is pattern times text, whatever both hold (Thompson's construction, run as in Pike's VM without
 * captures). The dialect is what routing rules need of RE2: literals, `.`, classes, `\d \w \s` and their opposites, `^ $`, groups, `|`,
 * `* + ? {m,n}` and their lazy forms. Everything else is refused when the pattern is compiled.
 */
export type Matcher = (text: string) => boolean;

type Test = (code: number) => boolean;

/** `take` consumes a character; `fork` goes both ways; `start` and `end` assert; `done` accepts. */
type Instruction =
  | { readonly kind: 'take'; readonly test: Test; next: number }
  | { readonly kind: 'fork'; first: number; second: number }
  | { readonly kind: 'start' | 'end'; next: number }
  | { readonly kind: 'done' };

type Node =
  | { readonly kind: 'take'; readonly test: Test }
  | { readonly kind: 'start' | 'end' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly min: number; readonly max: number };

const programMax = 2_000;
const repeatMax = 1_000;

/** Compiles a pattern that is searched for anywhere in a text. Throws an Error that says what is wrong. */
export function linearPattern(pattern: string): Matcher {
  const program: Instruction[] = [{ kind: 'done' }];
  const entry = emit(program, new Parser(pattern).parse(), 0);
  return (text) => run(program, entry, text);
}

/** Emits code for `node` that continues at `next`; answers where it begins. */
function emit(program: Instruction[], node: Node, next: number): number {
  if (program.length > programMax) throw new Error('the pattern is too large');
  switch (node.kind) {
    case 'take':
      return program.push({ kind: 'take', test: node.test, next }) - 1;
    case 'start':
    case 'end':
      return program.push({ kind: node.kind, next }) - 1;
    case 'sequence':
      return node.parts.reduceRight((following, part) => emit(program, part, following), next);
    case 'choice':
      return node.parts
        .map((part) => emit(program, part, next))
        .reduceRight((second, first) => program.push({ kind: 'fork', first, second }) - 1);
    case 'repeat':
      return emitRepeat(program, node, next);
  }
}

function emitRepeat(program: Instruction[], { of, min, max }: Extract<Node, { kind: 'repeat' }>, next: number): number {
  let at = next;
  if (max === Infinity) {
    const fork: Extract<Instruction, { kind: 'fork' }> = { kind: 'fork', first: 0, second: next };
    at = program.push(fork) - 1;
    fork.first = emit(program, of, at);
  } else {
    for (let i = min; i < max; i++) at = program.push({ kind: 'fork', first: emit(program, of, at), second: next }) - 1;
  }
  for (let i = 0; i < min; i++) at = emit(program, of, at);
  return at;
}

function run(program: readonly Instruction[], entry: number, text: string): boolean {
  // `seen` holds the step in which an instruction was last entered: every instruction is looked at once per character.
  const seen = new Int32Array(program.length).fill(-1);
  let current: number[] = [];
  for (let at = 0; ; at++) {
    const state: Entering = { program, seen, step: at, atStart: at === 0, atEnd: at === text.length };
    const now: number[] = [];
    for (const thread of current) if (enter(state, thread, now)) return true;
    if (enter(state, entry, now)) return true;
    if (at === text.length) return false;
    const code = text.charCodeAt(at);
    current = [];
    for (const thread of now) {
      const instruction = program[thread] as Extract<Instruction, { kind: 'take' }>;
      if (instruction.test(code)) current.push(instruction.next);
    }
  }
}

interface Entering {
  readonly program: readonly Instruction[];
  readonly seen: Int32Array;
  readonly step: number;
  readonly atStart: boolean;
  readonly atEnd: boolean;
}

/** Follows everything that consumes nothing; collects what waits for a character; true when the pattern is matched. */
function enter(state: Entering, from: number, waiting: number[]): boolean {
  const open = [from];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (state.seen[at] === state.step) continue;
    state.seen[at] = state.step;
    const instruction = state.program[at] as Instruction;
    if (instruction.kind === 'done') return true;
    if (instruction.kind === 'take') waiting.push(at);
    else if (instruction.kind === 'fork') open.push(instruction.second, instruction.first);
    else if (instruction.kind === 'start' ? state.atStart : state.atEnd) open.push(instruction.next);
  }
  return false;
}

const isDigit: Test = (c) => c >= 48 && c <= 57;
const isWord: Test = (c) => isDigit(c) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122) || c === 95;
const isSpace: Test = (c) => c === 32 || (c >= 9 && c <= 13 && c !== 11);
const classes: Readonly<Record<string, Test>> = {
  d: isDigit,
  D: (c) => !isDigit(c),
  w: isWord,
  W: (c) => !isWord(c),
  s: isSpace,
  S: (c) => !isSpace(c),
};
const controls: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', f: '\f', v: '\v' };

class Parser {
  readonly #pattern: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#pattern.length) throw new Error('the pattern has a ) too many');
    return node;
  }

  #choice(): Node {
    if (++this.#depth > 50) throw new Error('the pattern is nested too deeply');
    const parts = [this.#sequence()];
    while (this.#skip('|')) parts.push(this.#sequence());
    this.#depth--;
    return parts.length === 1 ? (parts[0] as Node) : { kind: 'choice', parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    for (let c = this.#peek(); c !== undefined && c !== '|' && c !== ')'; c = this.#peek()) parts.push(this.#repeated());
    return { kind: 'sequence', parts };
  }

  #repeated(): Node {
    let node = this.#atom();
    for (;;) {
      const [min, max] = this.#quantifier() ?? [];
      if (min === undefined || max === undefined) return node;
      // What repeats something that may be empty without end would never consume: the empty case adds nothing.
      node = { kind: 'repeat', of: node, min, max };
      this.#skip('?');
    }
  }

  #quantifier(): readonly [number, number] | undefined {
    if (this.#skip('*')) return [0, Infinity];
    if (this.#skip('+')) return [1, Infinity];
    if (this.#skip('?')) return [0, 1];
    const counted = /^\{(\d{1,4})(,(\d{0,4}))?\}/.exec(this.#pattern.slice(this.#at, this.#at + 12));
    if (counted === null) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === '' ? Infinity : Number(counted[3]);
    if (min > repeatMax || (max !== Infinity && max > repeatMax) || max < min) throw new Error('the pattern repeats something too often');
    return [min, max];
  }

  #atom(): Node {
    const c = this.#take();
    if (c === '(') return this.#group();
    if (c === '[') return { kind: 'take', test: this.#class() };
    if (c === '.') return { kind: 'take', test: (code) => code !== 10 };
    if (c === '^') return { kind: 'start' };
    if (c === '$') return { kind: 'end' };
    if (c === '*' || c === '+' || c === '?') throw new Error('the pattern repeats nothing');
    if (c === '\\') return { kind: 'take', test: this.#escape() };
    return { kind: 'take', test: literal(c) };
  }

  #group(): Node {
    if (this.#skip('?') && !this.#skip(':')) throw new Error('the pattern may not look around, name groups or set flags');
    const node = this.#choice();
    if (!this.#skip(')')) throw new Error('the pattern lacks a )');
    return node;
  }

  #escape(): Test {
    const c = this.#take();
    const known = classes[c];
    if (known !== undefined) return known;
    const control = controls[c];
    if (control !== undefined) return literal(control);
    if (/[0-9A-Za-z]/.test(c)) throw new Error(`the pattern holds \\${c}, which is not supported`);
    return literal(c);
  }

  #class(): Test {
    const negated = this.#skip('^');
    const tests: Test[] = [];
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const c = this.#take();
      const low = c === '\\' ? this.#escape() : literal(c);
      if (c === '\\' || this.#peek() !== '-' || this.#pattern[this.#at + 1] === ']') {
        tests.push(low);
        continue;
      }
      this.#at++;
      const high = this.#take();
      if (high === '\\' || high < c) throw new Error('the pattern holds a range that is not valid');
      const [from, to] = [c.charCodeAt(0), high.charCodeAt(0)];
      tests.push((code) => code >= from && code <= to);
    }
    this.#at++;
    return (code) => tests.some((test) => test(code)) !== negated;
  }

  #peek(): string | undefined {
    return this.#pattern[this.#at];
  }

  #take(): string {
    const c = this.#pattern[this.#at++];
    if (c === undefined) throw new Error('the pattern ends too early');
    return c;
  }

  #skip(c: string): boolean {
    if (this.#pattern[this.#at] !== c) return false;
    this.#at++;
    return true;
  }
}

function literal(c: string): Test {
  const wanted = c.charCodeAt(0);
  return (code) => code === wanted;
}
