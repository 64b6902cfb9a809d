import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { mysqlCapabilities } from './mysql-store.ts';
import { openMysqlStore } from './open-mysql-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.mysql'],
  versions: ['v1'],
  status: 'beta',
  capabilities: mysqlCapabilities,
  config,
  open: openMysqlStore,
});
