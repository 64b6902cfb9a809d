import { describe } from 'vitest';
import { postgresStage } from '../fixtures/durable-stages.ts';
import { durableSuites } from '../fixtures/durable-suites.ts';
import { pooledPostgres } from '../fixtures/pooled-postgres.ts';

const postgres = pooledPostgres();
let schemas = 0;

const openStage = () => postgresStage(postgres.server, `s${++schemas}`, postgres.pooledAddress);
describe.runIf(postgres.bin !== undefined)('the real server', () => {
  durableSuites('PostgreSQL', openStage);
});
