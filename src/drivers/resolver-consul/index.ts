import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openConsul } from './consul-registry.ts';

export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.consul'],
  versions: ['v1'],
  status: 'alpha',
  capabilities: ['ANNOUNCE', 'NAMESPACES', 'FACTS'],
  config,
  open: openConsul,
});
