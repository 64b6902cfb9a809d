import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openHttpBinding } from './http-binding.ts';

export default defineDriver({
  kind: 'bindings',
  types: ['bindings.http'],
  versions: ['v1'],
  status: 'stable',
  capabilities: ['OUTPUT_BINDING'],
  config,
  open: openHttpBinding,
});
