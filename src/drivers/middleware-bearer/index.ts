import { defineDriver } from '../../contracts/driver.ts';
import { openBearer } from './bearer.ts';
import { config } from './config.ts';

export default defineDriver({
  kind: 'middleware',
  types: ['middleware.http.bearer'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  open: openBearer,
});
