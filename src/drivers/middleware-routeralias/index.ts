import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openRouterAlias } from './router-alias.ts';

export default defineDriver({
  kind: 'middleware',
  types: ['middleware.http.routeralias'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: openRouterAlias,
});
