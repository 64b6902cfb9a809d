import { openComponentDatabase } from '../../clients/postgres/open-component.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { ProaError } from '../../kernel/errors.ts';
import { scheduleCleanup } from './cleanup.ts';
import { config } from './config.ts';
import { layoutV1, layoutV2 } from './layout.ts';
import { migrate } from './migrations.ts';
import { createPostgresStore, postgresCapabilities } from './postgres-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.postgresql', 'state.postgres'],
  versions: ['v1', 'v2'],
  status: 'beta',
  capabilities: postgresCapabilities,
  config,
  async open(properties, context) {
    const what = 'state.postgresql';
    const { tablePrefix, tableName, metadataTableName } = properties;
    const old = context.version === 'v1';
    const foreign = old ? tablePrefix : tableName;
    if (foreign !== undefined) {
      const [property, version] = old ? ['tablePrefix', 'v2'] : ['tableName', 'v1'];
      throw new ProaError('component.init-failed', `${what}: \`${property}\` is a property of version ${version}`);
    }
    const layout = old ? layoutV1(tableName ?? 'state') : layoutV2(tablePrefix ?? '');
    const database = await openComponentDatabase({ properties, context, what });
    try {
      await migrate({ database, layout, metadataTable: metadataTableName, what });
    } catch (error) {
      await database.close();
      throw error;
    }
    const { clock } = context.ports;
    const cleanup = scheduleCleanup({
      database,
      clock,
      log: context.log,
      layout,
      metadataTable: metadataTableName,
      intervalMs: properties.cleanupInterval,
    });
    return createPostgresStore({ database, clock, layout, what, closing: () => cleanup.close() });
  },
});
