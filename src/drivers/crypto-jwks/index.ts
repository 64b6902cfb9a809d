import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openJwks } from './key-set.ts';

export default defineDriver({
  kind: 'crypto',
  types: ['crypto.dapr.jwks'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: openJwks,
});
