import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { uppercase } from './uppercase.ts';

export default defineDriver({
  kind: 'middleware',
  types: ['middleware.http.uppercase'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  open: async (options) => uppercase(options.direction),
});
