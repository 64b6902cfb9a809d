import * as v from 'valibot';
import { describe, expect, it, vi } from 'vitest';
import mongoDriver from '../../src/drivers/state-mongodb/index.ts';
import mysqlDriver from '../../src/drivers/state-mysql/index.ts';
import postgresDriver from '../../src/drivers/lock-postgres/index.ts';
import redisDriver from '../../src/drivers/state-redis/index.ts';
import { nodePorts } from '../../src/ports/node/index.ts';
import { testDriverContext } from '../../src/testing/driver-context.ts';

// A user who installed Proa and nothing else.
const missing = vi.hoisted(() => (name: string) => () => {
  throw new Error(`Cannot find package '${name}'`);
});
vi.mock('ioredis', missing('ioredis'));
vi.mock('mongodb', missing('mongodb'));
vi.mock('mysql2', missing('mysql2'));
vi.mock('pg', missing('pg'));

describe('a component whose package is not installed', () => {
  it.each([
    [redisDriver, 'ioredis', { redisHost: 'localhost:6379' }],
    [mongoDriver, 'mongodb', { host: 'localhost:27017' }],
    [mysqlDriver, 'mysql2', { connectionString: 'root@tcp(localhost:3306)/' }],
    [postgresDriver, 'pg', { connectionString: 'host=localhost user=me' }],
  ] as const)('%# says which command installs it', async (driver, name, metadata) => {
    const context = testDriverContext({ ...nodePorts() });
    const config = v.parse(driver.config as v.GenericSchema, metadata);
    await expect((driver.open as (config: unknown, given: unknown) => Promise<unknown>)(config, context)).rejects.toMatchObject({
      code: 'driver.missing-package',
      hint: `run: npm install ${name}`,
    });
  });
});
