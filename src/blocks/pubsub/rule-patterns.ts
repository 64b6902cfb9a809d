import type { ASTNode } from '@marcbachmann/cel-js';

/** The longest pattern of `matches`, and how many parts of it may repeat without bound. */
const patternCharsMax = 200;
const unboundedMax = 2;

/**
 * CEL's `matches` means RE2, whose time is linear; here it runs on JavaScript's backtracking engine. So patterns must be literals whose worst case
 * is harmless: no repeated groups, no look-around, no back-references, at most two unbounded repetitions. Throws an Error that says which rule is broken.
 */
export function checkPatterns(ast: ASTNode): void {
  visit(ast, (node) => {
    if (node.op === 'rcall' && node.args[0] === 'matches') checkPattern(node.args[2][0]);
    if (node.op === 'call' && node.args[0] === 'matches') checkPattern(node.args[1][1]);
  });
}

function checkPattern(node: ASTNode | undefined): void {
  if (node?.op !== 'value' || typeof node.args !== 'string') throw new Error('the pattern of matches() must be a literal string');
  const pattern = node.args;
  if (pattern.length > patternCharsMax) throw new Error(`the pattern of matches() is longer than ${patternCharsMax} characters`);
  // Escaped characters and classes count as one plain character each.
  const plain = pattern.replace(/\\[^1-9k]/g, 'a').replace(/\[\^?\]?[^\]]*\]/g, 'a');
  if (plain.includes('\\')) throw new Error('the pattern of matches() may not refer back');
  if (/\(\?(?!:)/.test(plain)) throw new Error('the pattern of matches() may not look around or name groups');
  if (/\)[*+{?]/.test(plain)) throw new Error('the pattern of matches() may not repeat groups');
  const unbounded = plain.match(/[*+]|\{\d*,\}/g) ?? [];
  if (unbounded.length > unboundedMax) throw new Error(`the pattern of matches() may repeat at most ${unboundedMax} parts without bound`);
}

function visit(node: ASTNode, look: (node: ASTNode) => void): void {
  look(node);
  for (const child of childrenOf(node.args)) visit(child, look);
}

/** Syntax trees hold their children in arrays of several depths. */
function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf);
  return isNode(args) ? [args] : [];
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}
