import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canConnect, type PostgresServer, serverIdentity } from './postgres-server.ts';

/** PgBouncer in transaction mode before a server: statements of one client meet whichever session is free. */
export interface PostgresPooler {
  readonly address: PostgresServer['address'];
  /** Stops it and removes its files. */
  destroy(): Promise<void>;
}

const path = '/usr/sbin/pgbouncer';
const port = 6432;

/** Whether Debian's package is installed. */
export function hasPooler(): boolean {
  return existsSync(path);
}

/** Starts it with so few server sessions that clients have to share them; `ignore_startup_parameters` stays at its default. */
export async function startPooler({ address }: PostgresServer): Promise<PostgresPooler> {
  const directory = mkdtempSync(join(tmpdir(), 'proa-pool-'));
  const identity = serverIdentity();
  if (identity.uid !== undefined) chownSync(directory, identity.uid, identity.gid ?? identity.uid);
  const settings = [
    '[databases]',
    `${address.database} = host=${address.host} port=${address.port} user=${address.user}`,
    '[pgbouncer]',
    `unix_socket_dir = ${directory}`,
    'listen_addr =',
    `listen_port = ${port}`,
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 3',
    'max_client_conn = 200',
  ];
  const file = join(directory, 'pgbouncer.ini');
  writeFileSync(file, `${settings.join('\n')}\n`);
  const child = spawn(path, [file], { ...identity, cwd: directory, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const pooled = { ...address, host: directory, port };
  while (!(await canConnect(join(directory, `.s.PGSQL.${port}`)))) {
    if (child.exitCode !== null) throw new Error(`pgbouncer ended with code ${child.exitCode}`);
  }
  return {
    address: pooled,
    async destroy() {
      child.kill('SIGTERM');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
