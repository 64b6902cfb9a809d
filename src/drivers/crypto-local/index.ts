import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openLocalKeys } from './key-files.ts';

export default defineDriver({
  kind: 'crypto',
  types: ['crypto.dapr.localstorage'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: openLocalKeys,
});
