import type { Document, Filter } from 'mongodb';
import type { MongoItem } from '../../clients/mongodb/database.ts';
import type { StateFilter, StateQuery } from '../../contracts/state.ts';

const operators = { EQ: '$eq', NEQ: '$ne', GT: '$gt', GTE: '$gte', LT: '$lt', LTE: '$lte' } as const;

/** Documents that have not ended at this time of the server. */
export function liveAt(nowMs: number): Filter<MongoItem> {
  return { $or: [{ _ttl: null }, { _ttl: { $gt: new Date(nowMs) } }] } as Filter<MongoItem>;
}

/** Documents whose keys begin with the prefix; for an empty one all whose keys are texts, which leaves out what is not of a state store. */
export function prefixed(prefix: string): Filter<MongoItem> {
  const end = afterPrefix(prefix);
  return { _id: { $gte: prefix, ...(end !== undefined && { $lt: end }) } };
}

/** A query in MongoDB's language. A value is never an operator, whatever the client put there. */
export function filterOf({ keyPrefix = '', filter }: StateQuery, nowMs: number): Filter<MongoItem> {
  return { ...prefixed(keyPrefix), $and: [liveAt(nowMs), ...(filter === undefined ? [] : [conditionOf(filter)])] };
}

/** The order of a query; the key comes last, so that pages are stable. */
export function sortOf({ sort }: StateQuery): Record<string, 1 | -1> {
  const paths = sort.map(({ path, order }) => [`value.${path}`, order === 'DESC' ? -1 : 1] as const);
  return { ...Object.fromEntries(paths), _id: 1 };
}

function conditionOf(filter: StateFilter): Document {
  switch (filter.op) {
    case 'AND':
    case 'OR':
      return { [filter.op === 'AND' ? '$and' : '$or']: filter.filters.map(conditionOf) };
    case 'IN':
      return { [`value.${filter.path}`]: { $in: filter.values } };
    default:
      return { [`value.${filter.path}`]: { [operators[filter.op]]: filter.value } };
  }
}

/** The smallest text that is greater than all texts with this prefix; undefined when there is none. Servers compare UTF-8, so by code points. */
function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) as number);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last < 0x10_ff_ff) return String.fromCodePoint(...points, last === 0xd7_ff ? 0xe0_00 : last + 1);
  }
  return undefined;
}
