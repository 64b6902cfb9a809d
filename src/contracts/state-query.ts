import { jsonWithinDepth } from '../kernel/json-depth.ts';
import { limits } from '../kernel/limits.ts';
import type { StateFilter, StateQuery, StateQueryPage } from './state.ts';

/** A stored item as a query sees it. */
export interface QueryCandidate {
  readonly key: string;
  readonly data: Uint8Array;
  readonly etag?: string;
}

/** A candidate that passed the filter, with its value parsed. */
export interface QueryMatch extends QueryCandidate {
  readonly value: unknown;
}

/**
 * Queries for stores without a query language: filter with `matchesQuery`, then sort and page with `queryPage`. Values that are not JSON, or
 * nest deeper than the runtime looks, match only queries without filter. Comparisons other than equality hold between two numbers or two texts only.
 */
export function matchQuery(query: StateQuery, candidate: QueryCandidate): QueryMatch | undefined {
  if (query.keyPrefix !== undefined && !candidate.key.startsWith(query.keyPrefix)) return undefined;
  const value = query.filter === undefined && query.sort.length === 0 ? undefined : parseValue(candidate.data);
  if (query.filter !== undefined && !matches(query.filter, value)) return undefined;
  return { ...candidate, value };
}

/** Sorts matches (then by key, so that pages are stable) and cuts the page that `limit` and `token` name; the token is an offset. Throws a RangeError for a bad token. */
export function queryPage(query: StateQuery, matched: readonly QueryMatch[]): StateQueryPage {
  const offset = query.token === undefined ? 0 : Number(query.token);
  if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`the page token '${String(query.token)}' is not valid`);
  const sorted = matched.toSorted((a, b) => bySort(query, a, b));
  const end = query.limit === undefined ? sorted.length : offset + query.limit;
  const items = sorted.slice(offset, end).map(({ key, data, etag }) => ({ key, data, ...(etag !== undefined && { etag }) }));
  return { items, ...(end < sorted.length && { token: String(end) }) };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parseValue(data: Uint8Array): unknown {
  try {
    const text = utf8.decode(data);
    return jsonWithinDepth(text, limits.jsonDepth) ? (JSON.parse(text) as unknown) : undefined;
  } catch {
    return undefined;
  }
}

function at(value: unknown, path: string): unknown {
  let found = value;
  for (const name of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name)) return undefined;
    found = (found as Record<string, unknown>)[name];
  }
  return found;
}

function matches(filter: StateFilter, value: unknown): boolean {
  switch (filter.op) {
    case 'AND':
      return filter.filters.every((part) => matches(part, value));
    case 'OR':
      return filter.filters.some((part) => matches(part, value));
    case 'IN': {
      const found = at(value, filter.path);
      return filter.values.some((wanted) => equal(found, wanted));
    }
    case 'EQ':
      return equal(at(value, filter.path), filter.value);
    case 'NEQ':
      return !equal(at(value, filter.path), filter.value);
    default: {
      const order = compare(at(value, filter.path), filter.value);
      if (order === undefined) return false;
      if (filter.op === 'GT') return order > 0;
      if (filter.op === 'GTE') return order >= 0;
      return filter.op === 'LT' ? order < 0 : order <= 0;
    }
  }
}

function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every((name) => Object.hasOwn(b, name) && equal((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name]));
}

function compare(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  return undefined;
}

/** Missing values first, then booleans, numbers, texts, everything else. */
function rank(value: unknown): number {
  return ['undefined', 'boolean', 'number', 'string'].indexOf(typeof value) + (typeof value === 'object' ? 5 : 0);
}

function bySort(query: StateQuery, a: QueryMatch, b: QueryMatch): number {
  for (const { path, order } of query.sort) {
    const [left, right] = [at(a.value, path), at(b.value, path)];
    const difference = rank(left) - rank(right) || (typeof left === 'boolean' ? Number(left) - Number(right) : (compare(left, right) ?? 0));
    if (difference !== 0) return order === 'DESC' ? -difference : difference;
  }
  return a.key < b.key ? -1 : Number(a.key > b.key);
}
