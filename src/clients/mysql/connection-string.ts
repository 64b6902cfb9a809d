/** Where a MySQL server is, out of a connection string of Go's driver. */
export interface MysqlPlace {
  readonly user: string;
  readonly password: string;
  readonly host?: string;
  readonly port?: number;
  readonly socketPath?: string;
  readonly database?: string;
  /** Of the parameter `tls`. */
  readonly tls: 'none' | 'verified' | 'unverified' | 'custom';
}

/** Parameters that change nothing here. */
const meaningless = new Set(
  `allowAllFiles allowCleartextPasswords allowFallbackToPlaintext allowNativePasswords allowOldPasswords charset checkConnLiveness clientFoundRows
   collation columnsWithAlias connectionAttributes interpolateParams loc maxAllowedPacket multiStatements parseTime readTimeout rejectReadOnly
   serverPubKey timeTruncate timeout writeTimeout`.split(/\s+/),
);

/**
 * Reads `user:password@tcp(host:port)/database?parameters` or `user@unix(/path)/`. Fails with an Error that does not repeat the text: it holds the
 * password.
 */
export function parseConnectionString(text: string): MysqlPlace {
  const slash = text.lastIndexOf('/', text.includes('?') ? text.lastIndexOf('?') : text.length);
  if (slash < 0) throw new Error('the connection string must hold a slash: user:password@tcp(host:3306)/');
  const [before, after] = [text.slice(0, slash), text.slice(slash + 1)];
  const [database = '', query = ''] = after.split('?', 2);
  const at = before.lastIndexOf('@');
  const [user = '', ...password] = before.slice(0, Math.max(0, at)).split(':');
  const place = placeOf(before.slice(at + 1));
  return {
    ...place,
    user,
    password: password.join(':'),
    ...(database !== '' && { database: decodeURIComponent(database) }),
    tls: tlsOf(new URLSearchParams(query)),
  };
}

function placeOf(text: string): Pick<MysqlPlace, 'host' | 'port' | 'socketPath'> {
  if (text === '') return { host: '127.0.0.1', port: 3306 };
  const parts = /^(tcp|unix)\((.+)\)$/.exec(text);
  const [, kind, address = ''] = parts ?? [];
  if (kind === undefined) throw new Error('the connection string must name the server as tcp(host:port) or unix(/path)');
  if (kind === 'unix') return { socketPath: address };
  const tcp = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(address);
  const port = Number(tcp?.[3] ?? 3306);
  if (tcp === null || port < 1 || port > 65_535) throw new Error('the connection string must name the server as tcp(host:port)');
  return { host: (tcp[1] ?? tcp[2]) as string, port };
}

function tlsOf(parameters: URLSearchParams): MysqlPlace['tls'] {
  let tls: MysqlPlace['tls'] = 'none';
  for (const [name, value] of parameters) {
    if (meaningless.has(name)) continue;
    if (name !== 'tls') throw new Error(`the connection string has the parameter ${name}, which is not supported`);
    const meaning = ({ true: 'verified', false: 'none', 'skip-verify': 'unverified', preferred: 'none', custom: 'custom' } as const)[value];
    if (meaning === undefined) throw new Error(`the connection string has tls=${value}, which is not known`);
    tls = meaning;
  }
  return tls;
}
