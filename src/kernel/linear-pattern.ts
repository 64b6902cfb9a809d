import { parsePattern, type PatternNode } from './linear-pattern-parse.ts';

const statesMax = 2_000;

/** One state of a compiled pattern; `next`, `a` and `b` are places in the list of states. */
export type State =
  | { readonly kind: 'code'; readonly accepts: (code: number) => boolean; next: number }
  | { readonly kind: 'split'; a: number; b: number }
  | { readonly kind: 'start' | 'end'; next: number }
  | { readonly kind: 'match' };

/**
 * Compiles a pattern in the syntax of RE2 (the common part of it: literals, `.`, classes, groups, `|`, `* + ?` and counts, `^ $`, `\d \w \s`) to a test of
 * whether it occurs in a text. The test takes time linear in the text whatever the pattern, so users may write patterns (Thompson 1968). Fails with an Error
 * that says what is not supported: back references, look-around, flags.
 */
export function compilePattern(pattern: string): (text: string) => boolean {
  const { states, first } = compileStates(pattern);
  return (text) => run(states, first, text);
}

/** The states of a pattern and where to begin; of the two ways of a split the first is preferred. Fails like `compilePattern`. */
export function compileStates(pattern: string): { readonly states: readonly State[]; readonly first: number } {
  const states: State[] = [];
  const add = (state: State): number => {
    if (states.length === statesMax) throw new Error(`the pattern ${JSON.stringify(pattern)} is too large`);
    return states.push(state) - 1;
  };
  // Built backwards: each part is given what follows it.
  const build = (node: PatternNode, next: number): number => {
    switch (node.kind) {
      case 'code':
        return add({ kind: 'code', accepts: node.accepts, next });
      case 'start':
      case 'end':
        return add({ kind: node.kind, next });
      case 'sequence':
        return node.parts.reduceRight((after, part) => build(part, after), next);
      case 'choice':
        return node.options.map((option) => build(option, next)).reduceRight((b, a) => add({ kind: 'split', a, b }));
      case 'repeat':
        return repeat(node, next);
    }
  };
  const repeat = (node: PatternNode & { kind: 'repeat' }, next: number): number => {
    let entry = next;
    if (node.most === Infinity) {
      const loop: State = { kind: 'split', a: 0, b: next };
      entry = add(loop);
      loop.a = build(node.inner, entry);
    } else {
      for (let i = node.least; i < node.most; i++) entry = add({ kind: 'split', a: build(node.inner, entry), b: next });
    }
    for (let i = 0; i < node.least; i++) entry = build(node.inner, entry);
    return entry;
  };
  const match = add({ kind: 'match' });
  return { states, first: build(parsePattern(pattern), match) };
}

function run(states: readonly State[], first: number, text: string): boolean {
  // Which round a state was last reached in: a state is entered once per position.
  const reached = new Int32Array(states.length);
  let round = 0;
  let current: number[] = [];
  const enter = (list: number[], from: number, place: { readonly atStart: boolean; readonly atEnd: boolean }): boolean => {
    const open = [from];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (reached[at] === round) continue;
      reached[at] = round;
      const state = states[at] as State;
      if (state.kind === 'match') return true;
      if (state.kind === 'code') list.push(at);
      else if (state.kind === 'split') open.push(state.b, state.a);
      else if (state.kind === 'start' ? place.atStart : place.atEnd) open.push(state.next);
    }
    return false;
  };
  round = 1;
  if (enter(current, first, { atStart: true, atEnd: text.length === 0 })) return true;
  let position = 0;
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    position += character.length;
    const place = { atStart: false, atEnd: position === text.length };
    const following: number[] = [];
    round++;
    for (const at of current) {
      const state = states[at] as State & { kind: 'code' };
      if (state.accepts(code) && enter(following, state.next, place)) return true;
    }
    if (enter(following, first, place)) return true;
    current = following;
  }
  return false;
}
