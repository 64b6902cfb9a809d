import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openOauth2 } from './oauth2.ts';

export default defineDriver({
  kind: 'middleware',
  types: ['middleware.http.oauth2'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: openOauth2,
});
