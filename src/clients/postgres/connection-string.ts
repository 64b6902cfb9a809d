/** What a connection string says, under libpq's names (`dbname`, `sslmode` ...). */
export type ConnectionParts = ReadonlyMap<string, string>;

const known = new Set([
  ...['host', 'hostaddr', 'port', 'dbname', 'user', 'password', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'],
  // These change nothing here: what they are about is decided by properties of the component, or does not exist.
  ...['connect_timeout', 'application_name', 'fallback_application_name', 'client_encoding', 'target_session_attrs'],
  ...['pool_max_conns', 'pool_min_conns', 'pool_max_conn_lifetime', 'pool_max_conn_idle_time', 'pool_health_check_period'],
  ...['default_query_exec_mode', 'statement_cache_capacity', 'description_cache_capacity', 'sslsni', 'gssencmode', 'channel_binding'],
]);

/** Reads a URL or libpq's `name=value` pairs. Fails with an Error that does not repeat the text: it may hold a password. */
export function parseConnectionString(text: string): ConnectionParts {
  const trimmed = text.trim();
  const parts = /^postgres(ql)?:\/\//i.test(trimmed) ? fromUrl(trimmed) : fromPairs(trimmed);
  if (parts.has('database')) {
    parts.set('dbname', parts.get('database') as string);
    parts.delete('database');
  }
  for (const name of parts.keys())
    if (!known.has(name)) throw new Error(`the connection string has the parameter ${name}, which is not supported`);
  if (parts.get('host')?.includes(',') === true) throw new Error('the connection string names several hosts, which is not supported');
  return parts;
}

function fromUrl(text: string): Map<string, string> {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error('the connection string is not a valid URL');
  }
  const found: [string, string][] = [
    ['host', decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '')],
    ['port', url.port],
    ['user', decodeURIComponent(url.username)],
    ['password', decodeURIComponent(url.password)],
    ['dbname', decodeURIComponent(url.pathname.slice(1))],
    ...url.searchParams,
  ];
  return new Map(found.filter(([, value]) => value !== ''));
}

/** Values may stand in single quotes; a backslash takes the next character as it is. */
function fromPairs(text: string): Map<string, string> {
  const parts = new Map<string, string>();
  const pair = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)/y;
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text);
    if (match === null) throw new Error('the connection string is neither a URL nor a list of name=value');
    parts.set((match[1] as string).toLowerCase(), (match[2] ?? match[3] ?? '').replace(/\\(.)/gs, '$1'));
  }
  return parts;
}
