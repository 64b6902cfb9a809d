import { afterAll, beforeAll, it } from 'vitest';
import { hasPooler, type PostgresPooler, startPooler } from '../../src/testing/postgres-pooler.ts';
import { findPostgres, type PostgresServer, startPostgres } from '../../src/testing/postgres-server.ts';
import { postgresStage } from '../fixtures/durable-stages.ts';
import { durableSuites } from '../fixtures/durable-suites.ts';

const bin = findPostgres();
if (bin === undefined) console.log('skipped: postgres not found');
const pooled = bin !== undefined && hasPooler();
if (!pooled) console.log('skipped: pgbouncer not found');
let server: PostgresServer;
let pooler: PostgresPooler | undefined;
let schemas = 0;

beforeAll(async () => {
  if (bin !== undefined) server = await startPostgres(bin);
  if (pooled) pooler = await startPooler(server);
});
afterAll(async () => {
  await pooler?.destroy();
  await server?.destroy();
});

const openStage = () => postgresStage(server, `s${++schemas}`, pooler?.address);
if (bin === undefined) it('needs a PostgreSQL', () => {});
else durableSuites('PostgreSQL', openStage);
