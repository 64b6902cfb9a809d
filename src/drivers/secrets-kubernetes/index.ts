import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openKubernetesSecrets } from './kubernetes-secrets.ts';

export default defineDriver({
  kind: 'secretstores',
  types: ['secretstores.kubernetes'],
  versions: ['v1'],
  status: 'beta',
  capabilities: ['MULTIPLE_KEY_VALUES_PER_SECRET'],
  config,
  open: openKubernetesSecrets,
});
