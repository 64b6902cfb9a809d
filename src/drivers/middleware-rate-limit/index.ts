import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { rateLimit } from './rate-limit.ts';

export default defineDriver({
  kind: 'middleware',
  types: ['middleware.http.ratelimit'],
  versions: ['v1'],
  status: 'stable',
  capabilities: [],
  config,
  open: async (options, context) => rateLimit(options.maxRequestsPerSecond, context.ports.clock),
});
