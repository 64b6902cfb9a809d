import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openEnvSecrets } from './env-secrets.ts';

export default defineDriver({
  kind: 'secretstores',
  types: ['secretstores.local.env'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  open: async (options, context) => openEnvSecrets(options.prefix, context),
});
