import { Remembered } from './remembered.ts';
import { unescapeQuery } from './query.ts';
import type { Route } from './route.ts';

interface Node {
  readonly fixed: Map<string, Node>;
  /** The one-segment parameter below this node. */
  parameter?: Node;
  /** The parameter that takes the rest of the path. */
  rest?: Map<string, Leaf>;
  leaves?: Map<string, Leaf>;
}

interface Leaf {
  readonly route: Route;
  readonly names: readonly string[];
}

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
  /** Of a row that says that it can be remembered: what it made of the last request with this path. */
  readonly remembered: Remembered | undefined;
  /** What the row makes of the parameters alone, when it says how. */
  readonly subject: unknown;
}

/** What the path matches: a row, a bad escape in a parameter, or nothing (then it is an invocation, Dapr reference 2). */
export type Routed = Match | 'bad-escape' | undefined;

export interface Router {
  match(method: string, path: string): Routed;
}

/** Builds the tree of a route table; a parameter that is not `{word}` or, at the end, `{word...}` is a TypeError. Paths are matched after `//` was folded; a trailing slash is dropped when nothing matches with it. */
export function createRouter(routes: readonly Route[]): Router {
  const root: Node = { fixed: new Map() };
  for (const route of routes) add(root, route);
  const actorsNode = root.fixed.get('v1.0')?.fixed.get('actors');
  return {
    match(method, path) {
      const folded = path.includes('//') ? path.replace(/\/{2,}/g, '/') : path;
      const end = folded.length > 1 && folded.charCodeAt(folded.length - 1) === slash ? folded.length - 1 : folded.length;
      const asked = { path: folded, end, method, values: [] };
      if (actorsNode !== undefined && end > actors.length && folded.startsWith(actors)) return find(actorsNode, asked, actors.length);
      return find(root, asked, 1);
    },
  };
}

const slash = 47;
const actors = '/v1.0/actors/';

function add(root: Node, route: Route): void {
  let node = root;
  const names: string[] = [];
  for (const segment of route.path.split('/').slice(1)) {
    const parameter = /^\{(\w+)(\.\.\.)?\}$/.exec(segment);
    if (parameter === null) {
      // It would silently be fixed text, and the row would never match.
      if (/[{}]/.test(segment)) throw new TypeError(`the path ${route.path} of a route holds ${segment}, which is neither text nor {name}`);
      const next = node.fixed.get(segment) ?? { fixed: new Map<string, Node>() };
      node.fixed.set(segment, next);
      node = next;
      continue;
    }
    names.push(parameter[1] as string);
    if (parameter[2] !== undefined) {
      if (!route.path.endsWith(segment)) throw new TypeError(`the path ${route.path} of a route goes on behind ${segment}`);
      node.rest ??= new Map();
      for (const method of route.methods) node.rest.set(method, { route, names });
      return;
    }
    node.parameter ??= { fixed: new Map() };
    node = node.parameter;
  }
  node.leaves ??= new Map();
  for (const method of route.methods) node.leaves.set(method, { route, names });
}

interface Search {
  readonly path: string;
  /** Where the path ends, a trailing slash left out. */
  readonly end: number;
  readonly method: string;
  /** What the parameters on the way here hold. */
  readonly values: string[];
}

// `at` is where the next segment begins; beyond `end` there is none.
function find(node: Node, search: Search, at: number): Routed {
  const { path, end, method, values } = search;
  if (at > end) {
    const leaf = node.leaves?.get(method);
    return leaf === undefined ? undefined : bind(leaf, values);
  }
  const next = path.indexOf('/', at);
  const stop = next < 0 || next > end ? end : next;
  const segment = path.slice(at, stop);
  const fixed = node.fixed.get(segment);
  if (fixed !== undefined) {
    const found = find(fixed, search, stop + 1);
    if (found !== undefined) return found;
  }
  if (node.parameter !== undefined && segment !== '') {
    values.push(segment);
    const found = find(node.parameter, search, stop + 1);
    if (found !== undefined) return found;
    values.pop();
  }
  const rest = node.rest?.get(method);
  if (rest === undefined) return undefined;
  values.push(path.slice(at, end));
  return bind(rest, values);
}

// Names come from the table, so a plain object is safe; objects without prototype are slow ones.
function bind(leaf: Leaf, values: readonly string[]): Match | 'bad-escape' {
  const params: Record<string, string> = {};
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string;
    if (value.includes('%') && /%(?![0-9A-Fa-f]{2})/.test(value)) return 'bad-escape';
    params[leaf.names[i] as string] = unescapeQuery(value);
  }
  const { route } = leaf;
  return { route, params, remembered: route.repeats === true ? new Remembered() : undefined, subject: route.subject?.(params) };
}
