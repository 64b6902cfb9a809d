import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openZookeeper } from './zookeeper-registry.ts';

export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.proa.zookeeper'],
  versions: ['v1'],
  status: 'beta',
  capabilities: ['ANNOUNCE', 'NAMESPACES', 'FACTS', 'LIST'],
  config,
  open: openZookeeper,
});
