import type { Engine } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import type { StateStore } from '../../contracts/state.ts';
import { matchQuery, type QueryMatch, queryPage } from '../../contracts/state-query.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { ReadEntry } from './engine-store.ts';
import type { KeyRange, Layout } from './layout.ts';

const pageKeysMax = 1_000;
/** What a query may hold in memory before it is cut to a page. */
const queryBytesMax = 64 * 1024 * 1024;

/** What reads many keys: queries, keys by prefix, deletes by prefix. Successive pages are not one instant; each page is. */
export function createScans(
  engine: Engine,
  layout: Layout,
  read: ReadEntry,
): Required<Pick<StateStore, 'query' | 'keys' | 'deleteWithPrefix'>> {
  return {
    async query(query) {
      const matched: QueryMatch[] = [];
      let bytes = 0;
      for await (const entry of entriesOf(engine, layout.records(query.keyPrefix ?? ''), false)) {
        const key = layout.stateKey(entry.key);
        const value = await read(key, entry);
        const match = value && matchQuery(query, { key, data: value.data, etag: value.etag });
        if (match === undefined) continue;
        bytes += match.data.length;
        if (bytes > queryBytesMax) throw new Error(`more than ${queryBytesMax} bytes match: narrow the filter`);
        matched.push(match);
      }
      return queryPage(query, matched);
    },
    async keys(prefix, { token, limit }) {
      const range = layout.records(prefix);
      const after = token === undefined ? undefined : `${layout.record(Buffer.from(token, 'base64url').toString('utf8'))}\x00`;
      const from = after !== undefined && after > range.from ? after : range.from;
      const page = await engine.range({ from, to: range.to, limit: Math.min(Math.max(limit, 1), pageKeysMax), keysOnly: true });
      const keys = page.entries.map((entry) => layout.stateKey(entry.key));
      const last = keys.at(-1);
      return { keys, ...(page.more && last !== undefined && { token: Buffer.from(last).toString('base64url') }) };
    },
    async deleteWithPrefix(prefix) {
      if (prefix === '') throw new ProaError('bad-request', 'a prefix is required to delete by prefix');
      const range = layout.records(prefix);
      let count = 0;
      for await (const entry of entriesOf(engine, range, true)) count += entry === undefined ? 0 : 1;
      const result = await engine.commit({ deleteRange: [range, layout.chunksWith(prefix)] });
      if (result.status === 'unknown') throw outcomeUnknown('the keys may or may not have been deleted', result.cause);
      return count;
    },
  };
}

async function* entriesOf(engine: Engine, range: KeyRange, keysOnly: boolean) {
  for (let from = range.from; ;) {
    const page = await engine.range({ from, to: range.to, keysOnly });
    yield* page.entries;
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return;
    from = `${last.key}\x00`;
  }
}
