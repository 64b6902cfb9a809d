import type * as YamlLibrary from 'yaml';
import type { Alias, Document, Node, ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Problem } from './problem.ts';
import type { Source, Span } from './source.ts';

/** A YAML value with the place where it stands; aliases are already followed. */
export type YamlNode = YamlMap | YamlList | YamlScalar;

export interface YamlMap {
  readonly kind: 'map';
  readonly span: Span;
  readonly entries: readonly YamlEntry[];
}

export interface YamlEntry {
  readonly key: string;
  readonly keySpan: Span;
  readonly value: YamlNode;
}

export interface YamlList {
  readonly kind: 'list';
  readonly span: Span;
  readonly items: readonly YamlNode[];
}

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly span: Span;
  readonly value: string | number | boolean | null;
  /** As written, without quotes: `1.50` stays `1.50`. */
  readonly text: string;
}

/** The largest file that is read, the most aliases followed per file, and the most values per file once aliases are followed. */
export const yamlLimits = { fileBytesMax: 1024 * 1024, aliasesMax: 100, nodesMax: 100_000, depthMax: 64 } as const;

interface Conversion {
  readonly source: Source;
  readonly document: Document;
  readonly problems: Problem[];
  /** Per file, not per document. */
  readonly spent: { aliases: number; nodes: number };
  readonly library: typeof YamlLibrary;
}

class TooMuch extends Error {}

function spanOf(source: Source, node: { range?: readonly [number, number, number] | null | undefined }): Span {
  return { source, start: node.range?.[0] ?? 0, end: node.range?.[1] ?? 0 };
}

function follow(alias: Alias, context: Conversion, depth: number): YamlNode {
  context.spent.aliases += 1;
  if (context.spent.aliases > yamlLimits.aliasesMax) throw new TooMuch(`more than ${yamlLimits.aliasesMax} aliases`);
  const target = alias.resolve(context.document);
  if (target === undefined) return { kind: 'scalar', span: spanOf(context.source, alias), value: null, text: '' };
  return convert(target, context, depth + 1);
}

function convertMap(node: YAMLMap, context: Conversion, depth: number): YamlMap {
  const { library, source, problems } = context;
  const entries: YamlEntry[] = [];
  for (const pair of node.items as { key: ParsedNode | null; value: Node | null }[]) {
    const keySpan = spanOf(source, pair.key ?? node);
    if (!library.isScalar(pair.key)) {
      problems.push({ severity: 'error', code: 'config.yaml', message: 'a key must be plain text', at: keySpan });
      continue;
    }
    const key = String(pair.key.value);
    if (key === '<<') problems.push({ severity: 'error', code: 'config.yaml', message: 'merge keys (<<) are not supported', at: keySpan });
    else entries.push({ key, keySpan, value: convert(pair.value ?? emptyAt(keySpan), context, depth + 1) });
  }
  return { kind: 'map', span: spanOf(source, node), entries };
}

function emptyAt(span: Span): { empty: Span } {
  return { empty: span };
}

function convert(node: Node | { empty: Span }, context: Conversion, depth: number): YamlNode {
  const { library, source, problems, spent } = context;
  if ('empty' in node) return { kind: 'scalar', span: node.empty, value: null, text: '' };
  spent.nodes += 1;
  if (spent.nodes > yamlLimits.nodesMax) throw new TooMuch(`more than ${yamlLimits.nodesMax} values`);
  if (depth > yamlLimits.depthMax) throw new TooMuch(`nested more than ${yamlLimits.depthMax} levels deep`);
  if (library.isAlias(node)) return follow(node, context, depth);
  const span = spanOf(source, node);
  if (node.tag !== undefined) problems.push({ severity: 'error', code: 'config.yaml', message: 'tags are not supported', at: span });
  if (library.isMap(node)) return convertMap(node, context, depth);
  if (library.isSeq(node)) {
    const items = (node as YAMLSeq<Node | null>).items.map((item) => convert(item ?? emptyAt(span), context, depth + 1));
    return { kind: 'list', span, items };
  }
  return convertScalar(node as Scalar, span);
}

function convertScalar(node: Scalar, span: Span): YamlScalar {
  const { value } = node;
  const known = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
  const text = typeof value === 'string' ? value : known === null ? '' : (node.source ?? String(known));
  return { kind: 'scalar', span, value: known, text };
}

/** Reads every document of a text. What is wrong goes to `problems`; a document with errors is left out. Loads the parser on first use. */
export async function parseYaml(source: Source, problems: Problem[]): Promise<YamlNode[]> {
  const library = await import('yaml');
  const parsed = library.parseAllDocuments(source.text, {
    schema: 'core',
    version: '1.2',
    merge: false,
    uniqueKeys: true,
    prettyErrors: false,
  });
  const nodes: YamlNode[] = [];
  const spent = { aliases: 0, nodes: 0 };
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const found = syntaxProblems(source, document.errors);
    const { contents } = document;
    // A document of comments only parses as an empty scalar.
    const empty = contents === null || (library.isScalar(contents) && contents.value === null);
    if (found.length === 0 && !empty) {
      const node = tryConvert(contents, { source, document, problems: found, spent, library });
      if (node !== undefined && found.length === 0) nodes.push(node);
    }
    problems.push(...found);
  }
  return nodes;
}

/** What the parser stumbles over: of tokens that it does not expect the first one only, because it does not expect those behind it either. */
function syntaxProblems(source: Source, errors: readonly YamlLibrary.YAMLParseError[]): Problem[] {
  const first = errors.find(({ code }) => code === 'UNEXPECTED_TOKEN');
  const told = errors.filter((error) => error.code !== 'UNEXPECTED_TOKEN' || error === first);
  return told.map((error): Problem => {
    const [start, end] = error.pos;
    const problem: Problem = {
      severity: 'error',
      code: 'config.yaml',
      message: error.message.replace(/\.$/, ''),
      at: { source, start, end },
    };
    const brace = error === first && (source.text[start] === '{' || source.text[start] === '[');
    return brace
      ? { ...problem, help: `quote a text that holds { } [ ] or a comma where a map or list is written in braces: '/items/{id}'` }
      : problem;
  });
}

function tryConvert(contents: Node, context: Conversion): YamlNode | undefined {
  try {
    return convert(contents, context, 0);
  } catch (thrown) {
    if (!(thrown instanceof TooMuch)) throw thrown;
    context.problems.push({ severity: 'error', code: 'config.yaml', message: thrown.message, at: spanOf(context.source, contents) });
    return undefined;
  }
}

/** A node as plain JSON values. */
export function toPlain(node: YamlNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  return Object.fromEntries(node.entries.map(({ key, value }) => [key, toPlain(value)]));
}

/** The value of a key; undefined when absent, null, or the node is no map. */
export function valueAt(node: YamlNode, ...path: readonly string[]): YamlNode | undefined {
  let current: YamlNode | undefined = node;
  for (const key of path) {
    if (current?.kind !== 'map') return undefined;
    current = current.entries.find((entry) => entry.key === key)?.value;
  }
  return current?.kind === 'scalar' && current.value === null ? undefined : current;
}

/** Overlays: maps merge key by key, everything else is replaced by `over`. Places stay those of the file a value came from. */
export function overlay(under: YamlNode, over: YamlNode): YamlNode {
  if (under.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(under.entries.map((entry) => [entry.key, entry]));
  for (const entry of over.entries) {
    const below = entries.get(entry.key);
    entries.set(entry.key, below === undefined ? entry : { ...entry, value: overlay(below.value, entry.value) });
  }
  return { kind: 'map', span: over.span, entries: [...entries.values()] };
}
