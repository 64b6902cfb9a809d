/** Where a MongoDB server is and who asks, in Dapr's properties. */
export interface MongoAddress {
  readonly connectionString?: string | undefined;
  /** A name whose SRV records name the servers. */
  readonly server?: string | undefined;
  /** `host:port`, several with commas. */
  readonly host?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Users are looked up there, unless `params` names an `authSource`. */
  readonly databaseName: string;
  /** `?name=value&name=value`. */
  readonly params?: string | undefined;
}

/** The URI that these properties mean. Fails with an Error that repeats none of them: they hold the password. */
export function connectionStringOf(address: MongoAddress): string {
  const { connectionString = '', server = '', host = '', databaseName } = address;
  if (connectionString !== '') {
    if (!/^mongodb(\+srv)?:\/\//.test(connectionString)) throw new Error('`connectionString` must begin with mongodb:// or mongodb+srv://');
    return connectionString;
  }
  if ((host === '') === (server === '')) throw new Error('one of `connectionString`, `host` and `server` must say where the server is');
  const user = credentialsOf(address);
  const params = (address.params ?? '').replace(/^\?/, '');
  const query = params === '' ? '' : `?${params}`;
  if (host !== '') return `mongodb://${user}${host}/${encodeURIComponent(databaseName)}${query}`;
  return `mongodb+srv://${user}${server}/${user === '' ? '' : encodeURIComponent(databaseName)}${query}`;
}

function credentialsOf({ username = '', password = '' }: MongoAddress): string {
  if (username === '' && password === '') return '';
  if (username === '' || password === '') throw new Error('`username` and `password` need each other');
  return `${asUserInfo(username)}:${asUserInfo(password)}@`;
}

/** Dapr puts these texts into the URI as they are: what is valid there (`%40` for @) means what it means there, everything else means itself. */
function asUserInfo(text: string): string {
  const valid = /^(?:[^%:/?#[\]@\s]|%[0-9A-Fa-f]{2})*$/.test(text);
  return valid ? text : encodeURIComponent(text);
}
