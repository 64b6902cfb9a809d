import type { DriverContext } from '../../contracts/driver.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Disk } from '../../kernel/ports.ts';
import { parseConnectionString, type ConnectionParts } from './connection-string.ts';
import { openDatabase, type Database, type PostgresAddress, type StatementResult } from './database.ts';
import type { PostgresProperties } from './properties.ts';

const connectionsDefault = 10;

export interface ComponentDatabaseOptions {
  readonly properties: PostgresProperties;
  readonly context: Pick<DriverContext, 'ports'>;
  /** The component's type, for messages. */
  readonly what: string;
}

/** Opens the database of a component and asks it something. Fails with `component.init-failed` and what the server said (wrong password, nobody there ...). */
export async function openComponentDatabase({ properties, context, what }: ComponentDatabaseOptions): Promise<Database> {
  const refuse = (cause: unknown): ProaError => new ProaError('component.init-failed', `${what}: ${(cause as Error).message}`, { cause });
  let address: PostgresAddress;
  try {
    address = await addressOf(properties, context.ports.disk);
  } catch (error) {
    throw refuse(error);
  }
  const database = await openDatabase({
    address,
    connectionsMax: properties.maxConns || connectionsDefault,
    statementTimeoutMs: properties.timeout,
    idleMs: properties.connectionMaxIdleTime,
  });
  const answer = await database.run('select 1');
  if (answer.status === 'done') return database;
  await database.close();
  throw refuse(new Error(`PostgreSQL cannot be used: ${answer.error.message}`, { cause: answer.error }));
}

/** The error that callers of a component see for a statement that did not succeed. */
export function componentError(result: Exclude<StatementResult, { status: 'done' }>, what: string, effect: 'read' | 'write'): Error {
  const { status, error, sqlState, uncommitted } = result;
  if (status === 'refused') {
    // A server that starts, ends or lacks something for now: nothing happened, and it may work later.
    const passing = ['40', '53', '55', '57', '25'].includes(sqlState.slice(0, 2));
    if (passing) return new ProaError('unavailable', `${what}: PostgreSQL: ${error.message} (${sqlState})`, { cause: error });
    return new Error(`PostgreSQL: ${error.message} (${sqlState})`, { cause: error });
  }
  if (status === 'lost' && effect === 'write' && uncommitted !== true)
    return outcomeUnknown(`${what}: the write may or may not have happened`, error);
  return new ProaError('unavailable', `${what}: PostgreSQL: ${error.message}`, { cause: error });
}

async function addressOf(properties: PostgresProperties, disk: Disk): Promise<PostgresAddress> {
  const parts = properties.connectionString === undefined ? new Map<string, string>() : parseConnectionString(properties.connectionString);
  const host = properties.hostaddr ?? properties.host ?? parts.get('hostaddr') ?? parts.get('host');
  if (host === undefined) throw new Error('`connectionString` or `host` must say where the server is');
  const port = properties.port ?? Number(parts.get('port') ?? 5432);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error('the port of the connection string is not valid');
  const pick = (name: 'user' | 'password' | 'database', inString: string) => {
    const value = properties[name] ?? parts.get(inString);
    return value === undefined ? {} : { [name]: value };
  };
  const ssl = await tlsOf(parts, properties.sslRootCert ?? parts.get('sslrootcert'), disk);
  return { host, port, ...pick('user', 'user'), ...pick('password', 'password'), ...pick('database', 'dbname'), ...(ssl && { ssl }) };
}

type Tls = Extract<NonNullable<Exclude<PostgresAddress, string>['ssl']>, object>;

/** libpq's modes: `require` encrypts and, without an authority to ask, believes anybody; `verify-full` also compares the name. */
async function tlsOf(parts: ConnectionParts, rootCert: string | undefined, disk: Disk): Promise<Tls | undefined> {
  const mode = parts.get('sslmode') ?? (rootCert === undefined ? 'prefer' : 'verify-ca');
  if (!['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'].includes(mode))
    throw new Error(`sslmode ${mode} is not known`);
  if (['disable', 'allow', 'prefer'].includes(mode)) return undefined;
  const read = async (path: string | undefined) =>
    path === undefined ? undefined : Buffer.from(await disk.readFile(path)).toString('utf8');
  const [ca, cert, key] = [await read(rootCert), await read(parts.get('sslcert')), await read(parts.get('sslkey'))];
  return {
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}
