import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { openDatabase } from './database.ts';

/** A message of PostgreSQL's protocol. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, type);
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const authenticated = message('R', Buffer.alloc(4));
const ready = message('Z', Buffer.from('I'));
const shutdown = message('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0'));

let server: Server | undefined;
afterEach(() => void server?.close());

it('outlives a server that ends a connection in the breath in which it was opened', async () => {
  server = createServer((socket) => {
    socket.on('error', () => {});
    // One piece, so that nobody can listen in between.
    socket.once('data', () => void socket.end(Buffer.concat([authenticated, ready, shutdown])));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const address = { host: '127.0.0.1', port, user: 'proa', password: 'proa', database: 'postgres' };
  const database = await openDatabase({ address, connectionsMax: 1, statementTimeoutMs: 5_000 });
  for (let i = 0; i < 3; i++) expect(await database.run('select 1')).toMatchObject({ status: 'lost' });
  expect(await database.transaction(async (run) => void (await run('select 1')))).toMatchObject({ status: 'lost', uncommitted: true });
  await database.close();
});
