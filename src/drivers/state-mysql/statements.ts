/** The SQL of one store. A number counts keys or rows; the order of the parameters stands with each. */
export interface Statements {
  /** Keys twice. Rows: key, value, binary?, etag, expiry in seconds. */
  read(keys: number): string;
  /** Keys. Locks their rows; rows: key, etag of those that are alive. */
  lock(keys: number): string;
  /** For each row: key, value, etag, seconds to live twice. */
  upsert(rows: number): string;
  /** The same for one row, which is left as it is when it is alive. */
  readonly create: string;
  /** Value, etag, seconds to live twice, key, old etag. */
  readonly replace: string;
  /** Keys. */
  remove(keys: number): string;
  /** Key, etag. */
  readonly removeGuarded: string;
  /** Prefix twice. */
  readonly removePrefix: string;
  /** Prefix twice, after this key, limit. */
  readonly keys: string;
}

/** Statements over a table, whose name is quoted. Keys are also compared as bytes: a table that Dapr made compares texts without regard to case. */
export function statementsOf(table: string): Statements {
  const live = '(expiredate is null or expiredate > current_timestamp)';
  const dead = '(expiredate is not null and expiredate <= current_timestamp)';
  const places = (count: number): string => `(${Array.from({ length: count }, () => '?').join(', ')})`;
  const ttl = 'if(? is null, null, current_timestamp + interval ? second)';
  const row = `(?, ?, ?, true, ${ttl})`;
  const insert = `insert into ${table} (id, value, eTag, isbinary, expiredate) values`;
  const columns = ['value', 'eTag', 'isbinary', 'expiredate'];
  const prefixed = 'left(cast(id as binary), length(?)) = cast(? as binary)';
  return {
    read: (keys) => `select id, value, isbinary, eTag, unix_timestamp(expiredate) from ${table}
      where id in ${places(keys)} and cast(id as binary) in ${places(keys)} and ${live}`,
    lock: (keys) => `select id, eTag from ${table} where id in ${places(keys)} and ${live} order by id for update`,
    upsert: (rows) => `${insert} ${Array.from({ length: rows }, () => row).join(', ')}
      on duplicate key update ${columns.map((column) => `${column} = values(${column})`).join(', ')}`,
    // Assignments take effect from left to right: the expiry, by which all are judged, comes last.
    create: `${insert} ${row} on duplicate key update ${columns.map((column) => `${column} = if(${dead}, values(${column}), ${column})`).join(', ')}`,
    replace: `update ${table} set value = ?, eTag = ?, isbinary = true, expiredate = ${ttl} where id = ? and eTag = ? and ${live}`,
    remove: (keys) => `delete from ${table} where id in ${places(keys)}`,
    removeGuarded: `delete from ${table} where id = ? and eTag = ? and ${live}`,
    removePrefix: `delete from ${table} where ${prefixed} and ${live}`,
    keys: `select id from ${table} where ${prefixed} and cast(id as binary) > cast(? as binary) and ${live} order by cast(id as binary) limit ?`,
  };
}
