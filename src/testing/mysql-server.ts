import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { startProgram, type ServerProcess } from './server-process.ts';

/** A MariaDB server of one test file; `root` has the password `canary`. */
export async function startMysql(command: string, more: readonly string[] = []): Promise<ServerProcess> {
  const user = process.getuid?.() === 0 ? ['--user=root'] : [];
  const data = (directory: string): string => `--datadir=${join(directory, 'data')}`;
  const server = await startProgram({
    command,
    prepare: ({ directory }) =>
      void execFileSync(
        'mariadb-install-db',
        ['--no-defaults', data(directory), ...user, '--skip-test-db', '--auth-root-authentication-method=normal'],
        { stdio: 'ignore' },
      ),
    args: ({ directory, port }) => [
      ...['--no-defaults', data(directory), ...user, `--port=${port}`, '--bind-address=127.0.0.1'],
      ...[`--socket=${join(directory, 'socket')}`, `--pid-file=${join(directory, 'pid')}`, '--innodb-buffer-pool-size=16M'],
      // What was committed survives any death of the server, but the disk is not waited for: a busy one takes seconds.
      ...['--innodb-flush-log-at-trx-commit=2', '--innodb-flush-method=nosync'],
      ...more,
    ],
    ready: async (port) => {
      await askMysql(port, 'select 1').catch((error: { code?: string }) => {
        if (error.code !== 'ER_ACCESS_DENIED_ERROR') throw error;
      });
      return true;
    },
  });
  await (await mysql.createConnection({ host: '127.0.0.1', port: server.port, user: 'root' })).query(`set password = password('canary')`);
  return server;
}

/** One statement over a connection of its own. */
export async function askMysql(port: number, text: string): Promise<Record<string, unknown>[]> {
  const client = await mysql.createConnection({
    host: '127.0.0.1',
    port,
    user: 'root',
    password: 'canary',
    multipleStatements: true,
    jsonStrings: true,
  });
  try {
    const [rows] = await client.query(text);
    return rows as Record<string, unknown>[];
  } finally {
    client.destroy();
  }
}
