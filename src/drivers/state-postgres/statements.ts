import type { Layout } from './layout.ts';

/** The SQL of one store. Parameters: see each. */
export interface Statements {
  /** $1 keys. Rows: key, value, etag, expiry in ms. */
  readonly read: string;
  /** Arrays: $1 keys, each once, $2 values, $3 seconds to live (null: for ever); $4: only where there is nothing. Rows: the keys that were written. */
  readonly upsert: string;
  /** $1 key, $2 value, $3 seconds to live, $4 etag. A row when it was written. */
  readonly replace: string;
  /** $1 keys. */
  readonly remove: string;
  /** $1 key, $2 etag. A row when it was removed. */
  readonly removeGuarded: string;
  /** $1 keys. Locks their rows; rows: key, etag of those that are alive. */
  readonly lock: string;
  /** $1 prefix. */
  readonly removePrefix: string;
  /** $1 prefix, $2 after this key, $3 limit. */
  readonly keys: string;
}

/** Statements over a layout, whose names were checked to be identifiers. */
export function statementsOf(layout: Layout): Statements {
  const { table, expiry, updated, valueColumns, freshEtag } = layout;
  const live = `(t.${expiry} is null or t.${expiry} > now())`;
  const ttl = (parameter: string): string => `now() + make_interval(secs => ${parameter})`;
  const etagColumn = freshEtag === undefined ? [] : ['etag'];
  const etagValue = freshEtag === undefined ? [] : [freshEtag];
  const columns = [...valueColumns, ...etagColumn, expiry];
  const assign = (values: readonly string[]): string => columns.map((column, index) => `${column} = ${values[index]}`).join(', ');
  return {
    read: `select t.key, ${layout.valueRead}, ${layout.etagRead}, extract(epoch from t.${expiry}) * 1000 from ${table} t where t.key = any($1) and ${live}`,
    upsert: `insert into ${table} as t (key, ${columns.join(', ')})
      select w.key, ${[...layout.valueOf('w.value'), ...etagValue, ttl('w.ttl')].join(', ')}
      from unnest($1::text[], $2::bytea[], $3::double precision[]) as w (key, value, ttl) order by w.key
      on conflict (key) do update set ${assign(columns.map((column) => `excluded.${column}`))}, ${updated} = now()
      where not $4::boolean or t.${expiry} <= now() returning t.key`,
    replace: `update ${table} t set ${assign([...layout.valueOf('$2::bytea'), ...etagValue, ttl('$3::double precision')])}, ${updated} = now()
      where t.key = $1 and ${layout.etagRead} = $4 and ${live} returning 1`,
    remove: `delete from ${table} where key = any($1)`,
    removeGuarded: `delete from ${table} t where t.key = $1 and ${layout.etagRead} = $2 and ${live} returning 1`,
    lock: `select t.key, ${layout.etagRead} from ${table} t where t.key = any($1) and ${live} order by t.key for update`,
    removePrefix: `with gone as (delete from ${table} t where starts_with(t.key, $1) returning ${live} as alive) select count(*)::int from gone where alive`,
    keys: `select t.key from ${table} t where starts_with(t.key, $1) and t.key collate "C" > $2 and ${live} order by t.key collate "C" limit $3`,
  };
}
