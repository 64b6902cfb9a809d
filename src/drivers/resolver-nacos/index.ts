import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openNacos } from './nacos-registry.ts';

export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.proa.nacos'],
  versions: ['v1'],
  status: 'alpha',
  capabilities: ['ANNOUNCE', 'NAMESPACES', 'FACTS'],
  config,
  open: openNacos,
});
