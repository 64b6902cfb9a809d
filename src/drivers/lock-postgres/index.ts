import { openComponentDatabase } from '../../clients/postgres/open-component.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createLockTable, createPostgresLocks } from './postgres-locks.ts';

export default defineDriver({
  kind: 'lock',
  types: ['lock.postgresql', 'lock.postgres'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  async open(properties, context) {
    const what = 'lock.postgresql';
    const database = await openComponentDatabase({ properties, context, what });
    const options = { database, table: properties.tableName, what };
    try {
      await createLockTable(options);
    } catch (error) {
      await database.close();
      throw error;
    }
    return createPostgresLocks(options);
  },
});
