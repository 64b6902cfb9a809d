import { defineDriver } from '../../contracts/driver.ts';
import { openClientCredentials } from './client-credentials.ts';
import { config } from './config.ts';

export default defineDriver({
  kind: 'middleware',
  types: ['middleware.http.oauth2clientcredentials'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: openClientCredentials,
});
