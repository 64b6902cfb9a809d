import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openFileSecrets } from './file-secrets.ts';

export default defineDriver({
  kind: 'secretstores',
  types: ['secretstores.local.file'],
  versions: ['v1'],
  status: 'stable',
  capabilities: ['MULTIPLE_KEY_VALUES_PER_SECRET'],
  config,
  open: openFileSecrets,
});
