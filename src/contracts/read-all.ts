import { prefixEnd, type Key } from '../kernel/tuple.ts';
import type { Engine, Entry, RangePage } from './engine.ts';

/** Everything below a prefix, in order; only for prefixes with few keys. Beyond a page (1,000 entries or about 1 MB) it is not of one instant. */
export async function readAll(engine: Engine, prefix: Key): Promise<Entry[]> {
  const all: Entry[] = [];
  const to = prefixEnd(prefix);
  for (let from = prefix; ;) {
    const page: RangePage = await engine.range({ from, to });
    all.push(...page.entries);
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return all;
    from = `${last.key}\x00`;
  }
}
