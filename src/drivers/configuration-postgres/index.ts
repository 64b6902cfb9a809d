import { openComponentDatabase } from '../../clients/postgres/open-component.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { ProaError } from '../../kernel/errors.ts';
import { config } from './config.ts';
import { createPostgresConfiguration } from './postgres-configuration.ts';

export default defineDriver({
  kind: 'configuration',
  types: ['configuration.postgresql', 'configuration.postgres'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  async open(properties, context) {
    const what = 'configuration.postgresql';
    const database = await openComponentDatabase({ properties, context, what });
    const store = createPostgresConfiguration({
      database,
      clock: context.ports.clock,
      log: context.log,
      table: properties.table,
      what,
      ...(properties.notifyChannel !== undefined && { channel: properties.notifyChannel }),
    });
    try {
      await store.get([' '], {});
      return store;
    } catch (cause) {
      await store.close();
      throw new ProaError('component.init-failed', `${what}: table ${properties.table} cannot be read: ${(cause as Error).message}`, {
        cause,
        hint: 'it needs the columns key, value, version and metadata',
      });
    }
  },
});
