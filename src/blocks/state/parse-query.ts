import type { StateFilter, StateQuery } from '../../contracts/state.ts';
import { jsonWithinDepth } from '../../kernel/json-depth.ts';

const depthMax = 64;
const conditionsMax = 1_000;
const comparisons = new Set(['EQ', 'NEQ', 'GT', 'GTE', 'LT', 'LTE']);

/** Dapr's query JSON (`filter`, `sort`, `page`) as a checked query. Throws an Error whose message says what is wrong; texts are Dapr's where it has one. */
export function parseQuery(text: string): StateQuery {
  if (!jsonWithinDepth(text, depthMax)) throw new Error(`it nests deeper than ${depthMax} levels`);
  const body = objectOf(JSON.parse(text) as unknown, 'the query');
  const filter = isEmpty(body['filter']) ? undefined : parseFilter(body['filter'], { left: conditionsMax });
  const page = isEmpty(body['page']) ? {} : objectOf(body['page'], 'page');
  const { limit, token } = page;
  if (limit !== undefined && !(Number.isSafeInteger(limit) && (limit as number) >= 0)) throw new Error('page.limit must be a whole number');
  if (token !== undefined && typeof token !== 'string') throw new Error('page.token must be a string');
  return {
    sort: parseSort(body['sort']),
    ...(filter !== undefined && { filter }),
    ...(limit !== undefined && limit !== 0 && { limit: limit as number }),
    ...(token !== undefined && token !== '' && { token }),
  };
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0);
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${name} must be a map`);
  return value as Record<string, unknown>;
}

function parseSort(value: unknown): StateQuery['sort'] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error('sort must be an array');
  return value.map((entry: unknown) => {
    const { key, order } = objectOf(entry, 'a sort entry');
    if (typeof key !== 'string' || key === '') throw new Error('a sort entry needs a key');
    if (order !== undefined && order !== '' && order !== 'ASC' && order !== 'DESC') throw new Error('a sort order is ASC or DESC');
    return { path: key, order: order === 'DESC' ? 'DESC' : 'ASC' };
  });
}

function parseFilter(value: unknown, budget: { left: number }): StateFilter {
  if (budget.left-- <= 0) throw new Error(`a query has at most ${conditionsMax} conditions`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('filter unit must be a map');
  const [entry, more] = Object.entries(value as Record<string, unknown>);
  if (entry === undefined || more !== undefined) throw new Error('filter unit must have a single element');
  const [op, operand] = entry;
  if (op === 'AND' || op === 'OR') {
    if (!Array.isArray(operand)) throw new Error(`${op} filter must be an array`);
    if (operand.length < 2) throw new Error(`${op} filter must contain at least two entries`);
    return { op, filters: operand.map((part: unknown) => parseFilter(part, budget)) };
  }
  if (op !== 'IN' && !comparisons.has(op)) throw new Error(`unsupported filter "${op}"`);
  if (typeof operand !== 'object' || operand === null || Array.isArray(operand)) throw new Error(`${op} filter must be a map`);
  const [pair, another] = Object.entries(operand as Record<string, unknown>);
  if (pair === undefined || another !== undefined) throw new Error(`${op} filter must contain a single key/value pair`);
  const [path, wanted] = pair;
  if (op !== 'IN') return { op: op as 'EQ', path, value: wanted };
  if (!Array.isArray(wanted)) throw new Error('IN filter value must be an array');
  return { op, path, values: wanted as readonly unknown[] };
}
