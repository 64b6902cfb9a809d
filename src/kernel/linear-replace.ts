import { compileStates, type State } from './linear-pattern.ts';

interface Thread {
  readonly state: number;
  /** Where the match that it would be began. */
  readonly start: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * Compiles a pattern (see `compilePattern`) to a function that replaces every match by a text, leftmost and first alternative first, as Go's
 * `ReplaceAllString` does. One match takes time linear in the text (Pike 1987). The replacement is taken as it is.
 */
export function compileReplacement(pattern: string, replacement: string): (text: string) => string {
  const { states, first } = compileStates(pattern);
  return (original) => {
    // Whole characters: half of one is no match.
    const text = Array.from(original);
    const out: string[] = [];
    let copied = 0;
    for (let from = 0; from <= text.length;) {
      const found = findFrom({ states, first, text }, from);
      if (found === undefined) break;
      const empty = found.end === found.start;
      // An empty match right behind another one is not one of its own.
      if (!empty || found.start > copied || copied === 0) {
        out.push(...text.slice(copied, found.start), replacement);
        copied = found.end;
      }
      from = empty ? found.end + 1 : found.end;
    }
    return [...out, ...text.slice(copied)].join('');
  };
}

interface Search {
  readonly states: readonly State[];
  readonly first: number;
  readonly text: readonly string[];
}

// Threads are kept in the order of their preference: a match ends those behind it, and later matches of those before it replace it.
function findFrom({ states, first, text }: Search, from: number): Span | undefined {
  let threads: Thread[] = [];
  let found: Span | undefined;
  for (let at = from; ; at++) {
    const reached = new Set<number>();
    const here: Thread[] = [];
    let cut = false;
    const enter = ({ state, start }: Thread): void => {
      for (let open = [state], next = open.pop(); next !== undefined && !cut; next = open.pop()) {
        if (reached.has(next)) continue;
        reached.add(next);
        const each = states[next] as State;
        if (each.kind === 'code') here.push({ state: next, start });
        else if (each.kind === 'split') open.push(each.b, each.a);
        else if (each.kind === 'match') {
          found = { start, end: at };
          cut = true;
        } else if (each.kind === 'start' ? at === 0 : at === text.length) open.push(each.next);
      }
    };
    for (const thread of threads) if (!cut) enter(thread);
    if (found === undefined) enter({ state: first, start: at });
    if (at >= text.length || here.length === 0) {
      if (found !== undefined || at >= text.length) return found;
    }
    const code = text[at]?.codePointAt(0) as number;
    threads = here.flatMap(({ state, start }) => {
      const each = states[state] as State & { kind: 'code' };
      return each.accepts(code) ? [{ state: each.next, start }] : [];
    });
  }
}
