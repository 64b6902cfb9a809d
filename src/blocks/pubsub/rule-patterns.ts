import { compilePattern } from '../../kernel/linear-pattern.ts';

const patternsKept = 64;

/** The function that stands for CEL's `matches` in a rewritten rule. */
export const linearMatches = 'linearMatches';

/**
 * CEL's `matches` means RE2, whose time is linear; the CEL library would run JavaScript's backtracking engine instead, with which one event could
 * hold up the process. Its own overload cannot be replaced, so calls are renamed in the rule's text, outside of string literals.
 */
export function renameMatches(rule: string): string {
  let out = '';
  let at = 0;
  while (at < rule.length) {
    const end = literalEnd(rule, at);
    if (end > at) {
      out += rule.slice(at, end);
      at = end;
      continue;
    }
    const call = /^\.\s*matches(?=\s*\()/.exec(rule.slice(at, at + 100));
    out += call === null ? rule.charAt(at) : `.${linearMatches}`;
    at += call === null ? 1 : call[0].length;
  }
  return out;
}

/** The index behind the string literal that begins at `at`; `at` itself when none does. An open one ends with the text. */
function literalEnd(rule: string, at: number): number {
  const quote = rule[at];
  if (quote !== '"' && quote !== "'") return at;
  const raw = /(^|[^A-Za-z0-9_])([rR][bB]?|[bB][rR])$/.test(rule.slice(Math.max(0, at - 3), at));
  const closing = rule.startsWith(quote.repeat(3), at) ? quote.repeat(3) : quote;
  for (let i = at + closing.length; i < rule.length; i++) {
    if (rule.startsWith(closing, i)) return i + closing.length;
    if (rule[i] === '\\' && !raw) i++;
  }
  return rule.length;
}

/** `matches` in linear time; patterns are compiled once. Throws an Error for a pattern that is not valid. */
export function createLinearMatches(): (text: string, pattern: string) => boolean {
  const kept = new Map<string, (text: string) => boolean>();
  return (text, pattern) => {
    let matcher = kept.get(pattern);
    if (matcher === undefined) {
      matcher = compilePattern(pattern);
      if (kept.size >= patternsKept) kept.clear();
      kept.set(pattern, matcher);
    }
    return matcher(text);
  };
}
