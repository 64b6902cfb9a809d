import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openCron } from './cron-binding.ts';

export default defineDriver({
  kind: 'bindings',
  types: ['bindings.cron'],
  versions: ['v1'],
  status: 'stable',
  capabilities: ['INPUT_BINDING'],
  config,
  open: openCron,
});
