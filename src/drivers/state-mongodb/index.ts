import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { mongoCapabilities } from './mongo-store.ts';
import { openMongoStore } from './open-mongo-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.mongodb'],
  versions: ['v1'],
  status: 'beta',
  capabilities: mongoCapabilities,
  config,
  open: openMongoStore,
});
