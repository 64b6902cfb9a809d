import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openVaultSecrets } from './vault-secrets.ts';

export default defineDriver({
  kind: 'secretstores',
  types: ['secretstores.hashicorp.vault'],
  versions: ['v1'],
  status: 'beta',
  capabilities: ['MULTIPLE_KEY_VALUES_PER_SECRET'],
  config,
  open: openVaultSecrets,
});
