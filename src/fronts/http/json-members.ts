import { ProaError } from '../../kernel/errors.ts';
import { endOfText, jsonWithinDepth } from '../../kernel/json-depth.ts';
import { limits } from '../../kernel/limits.ts';

/**
 * JSON bodies taken apart without losing what they say: a value that the runtime only passes on stays the client's own text, so that numbers
 * keep their precision and nothing is parsed twice. Depth is limited before anything is parsed.
 */
export function parseJson(text: string): unknown {
  if (!jsonWithinDepth(text, limits.jsonDepth)) throw malformed(`JSON is nested deeper than ${limits.jsonDepth} levels`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw malformed((cause as Error).message, cause);
  }
}

/** The members of a JSON object as raw texts. The last of two equal names wins, as in JSON.parse. */
export function objectMembers(text: string): Map<string, string> {
  const members = new Map<string, string>();
  walk(text, '{', (name, raw) => members.set(name, raw));
  return members;
}

/** The elements of a JSON array as raw texts. */
export function arrayElements(text: string): string[] {
  // What a Go program prints for a list that it never filled.
  if (text.trim() === 'null') return [];
  const elements: string[] = [];
  walk(text, '[', (_name, raw) => elements.push(raw));
  return elements;
}

/** What the client sent where it cannot be decoded. */
export function malformed(detail: string, cause?: unknown): ProaError {
  return new ProaError('malformed-request', `failed deserializing HTTP body: ${detail}`, { cause });
}

// Splits one level. The whole text was parsed before, so the structure can be trusted here.
function walk(text: string, open: '{' | '[', member: (name: string, raw: string) => void): void {
  parseJson(text);
  let at = skipSpace(text, 0);
  if (text[at] !== open) throw malformed(open === '[' ? 'expected an array' : 'expected an object');
  const close = open === '[' ? ']' : '}';
  at = skipSpace(text, at + 1);
  while (text[at] !== close) {
    let name = '';
    if (open === '{') {
      const end = endOfText(text, at);
      name = JSON.parse(text.slice(at, end + 1)) as string;
      at = skipSpace(text, skipSpace(text, end + 1) + 1);
    }
    const end = endOfValue(text, at);
    member(name, text.slice(at, end));
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
}

function endOfValue(text: string, from: number): number {
  let depth = 0;
  let i = from;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 34) i = endOfText(text, i);
    else if (c === 91 || c === 123) depth++;
    else if (c === 93 || c === 125) {
      if (depth === 0) break;
      depth--;
    } else if (c === 44 && depth === 0) break;
  }
  let end = i;
  while (end > from && isSpace(text.charCodeAt(end - 1))) end--;
  return end;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (isSpace(text.charCodeAt(at))) at++;
  return at;
}

function isSpace(c: number): boolean {
  return c === 32 || c === 10 || c === 13 || c === 9;
}
