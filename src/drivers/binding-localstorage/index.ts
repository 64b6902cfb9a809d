import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openLocalStorage } from './local-storage.ts';

export default defineDriver({
  kind: 'bindings',
  types: ['bindings.localstorage'],
  versions: ['v1'],
  status: 'stable',
  capabilities: ['OUTPUT_BINDING'],
  config,
  open: openLocalStorage,
});
