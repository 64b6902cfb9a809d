/** Matches a path (as it came, without its query): the variables in their order, decoded, or undefined. */
export type Template = (path: string) => readonly (readonly [name: string, value: string])[] | undefined;

type Segment =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'variable'; readonly name: string; readonly before: string; readonly after: string }
  | { readonly kind: 'rest'; readonly name: string; readonly least: number };

// What gorilla/mux users write where a plain variable is meant; other patterns would need regular expressions of users.
const oneSegment = new Set(['', '[^/]+', '[^/]*', '\\w+', '[a-zA-Z0-9]+', '[a-z]+', '[0-9]+', '\\d+']);
const digits = new Set(['[0-9]+', '\\d+']);

/** Compiles a template of a path. Fails with an Error that says which part is not supported. Matching takes time linear in the path. */
export function compileTemplate(template: string): Template {
  if (!template.startsWith('/')) throw new Error(`the route "${template}" must begin with a slash`);
  const checks = new Map<string, boolean>();
  const parts = splitSegments(template);
  const segments = parts.map((part, index) => segmentOf(template, part, { last: index === parts.length - 1, checks }));
  const names = segments.flatMap((segment) => (segment.kind === 'literal' ? [] : [segment.name]));
  if (new Set(names).size !== names.length) throw new Error(`the route "${template}" names a variable twice`);
  return (path) => {
    const given = path.slice(1).split('/');
    const found: [string, string][] = [];
    for (const [index, segment] of segments.entries()) {
      if (segment.kind === 'rest') {
        const rest = given.slice(index).join('/');
        if (given.length < index || rest.length < segment.least) return undefined;
        found.push([segment.name, decoded(rest)]);
        return found;
      }
      const text = given[index];
      if (text === undefined) return undefined;
      if (segment.kind === 'literal') {
        if (decoded(text) !== segment.text) return undefined;
        continue;
      }
      const value = decoded(text);
      const { before, after, name } = segment;
      if (value.length <= before.length + after.length || !value.startsWith(before) || !value.endsWith(after)) return undefined;
      const inner = value.slice(before.length, value.length - after.length);
      if (checks.get(name) === true && !/^\d+$/.test(inner)) return undefined;
      found.push([name, inner]);
    }
    return given.length === segments.length ? found : undefined;
  };
}

// A pattern of a variable may hold slashes: those do not separate.
function splitSegments(template: string): string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const character of template.slice(1)) {
    if (character === '{') depth++;
    if (character === '}') depth--;
    if (character === '/' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  if (depth !== 0) throw new Error(`the route "${template}" has unbalanced braces`);
  return parts;
}

function segmentOf(template: string, part: string, options: { readonly last: boolean; readonly checks: Map<string, boolean> }): Segment {
  const open = part.indexOf('{');
  if (open < 0) return { kind: 'literal', text: part };
  const close = part.indexOf('}');
  const [name, pattern] = split(part.slice(open + 1, close));
  const [before, after] = [part.slice(0, open), part.slice(close + 1)];
  if (name === '' || after.includes('{')) throw new Error(`the route "${template}" needs one named variable at most between two slashes`);
  if (pattern === '.*' || pattern === '.+') {
    if (!options.last || before !== '' || after !== '')
      throw new Error(`in the route "${template}", {${name}:${pattern}} must stand alone at the end`);
    return { kind: 'rest', name, least: pattern === '.+' ? 1 : 0 };
  }
  if (!oneSegment.has(pattern))
    throw new Error(`in the route "${template}", the pattern "${pattern}" is not supported; use {${name}} or {${name}:.*}`);
  options.checks.set(name, digits.has(pattern));
  return { kind: 'variable', name, before, after };
}

function split(inner: string): [string, string] {
  const colon = inner.indexOf(':');
  return colon < 0 ? [inner, ''] : [inner.slice(0, colon), inner.slice(colon + 1)];
}

function decoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
