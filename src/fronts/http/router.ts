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
}

/** What the path matches: a row, a bad escape in a parameter, or nothing (then it is an invocation, Dapr reference 2). */
export type Routed = Match | 'bad-escape' | undefined;

export interface Router {
  match(method: string, path: string): Routed;
}

/** Builds the tree of a route table. Paths are matched after `//` was folded; a trailing slash is dropped when nothing matches with it. */
export function createRouter(routes: readonly Route[]): Router {
  const root: Node = { fixed: new Map() };
  for (const route of routes) add(root, route);
  return {
    match(method, path) {
      const segments = path.split('/');
      const kept = path.includes('//') ? segments.filter((segment, i) => segment !== '' || i === 0) : segments;
      if (kept.length > 2 && kept.at(-1) === '') kept.pop();
      return find(root, kept, { at: 1, method, values: [] });
    },
  };
}

function add(root: Node, route: Route): void {
  let node = root;
  const names: string[] = [];
  for (const segment of route.path.split('/').slice(1)) {
    const parameter = /^\{(\w+)(\.\.\.)?\}$/.exec(segment);
    if (parameter === null) {
      const next = node.fixed.get(segment) ?? { fixed: new Map<string, Node>() };
      node.fixed.set(segment, next);
      node = next;
      continue;
    }
    names.push(parameter[1] as string);
    if (parameter[2] !== undefined) {
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
  readonly at: number;
  readonly method: string;
  readonly values: readonly string[];
}

function find(node: Node, segments: readonly string[], search: Search): Routed {
  const { at, method, values } = search;
  if (at === segments.length) {
    const leaf = node.leaves?.get(method);
    return leaf === undefined ? undefined : bind(leaf, values);
  }
  const segment = segments[at] as string;
  const fixed = node.fixed.get(segment);
  if (fixed !== undefined) {
    const found = find(fixed, segments, { at: at + 1, method, values });
    if (found !== undefined) return found;
  }
  if (node.parameter !== undefined && segment !== '') {
    const found = find(node.parameter, segments, { at: at + 1, method, values: [...values, segment] });
    if (found !== undefined) return found;
  }
  const rest = node.rest?.get(method);
  return rest === undefined ? undefined : bind(rest, [...values, segments.slice(at).join('/')]);
}

function bind(leaf: Leaf, values: readonly string[]): Match | 'bad-escape' {
  const params = Object.create(null) as Record<string, string>;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string;
    if (/%(?![0-9A-Fa-f]{2})/.test(value)) return 'bad-escape';
    params[leaf.names[i] as string] = unescapeQuery(value);
  }
  return { route: leaf.route, params };
}
