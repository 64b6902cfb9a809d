import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openEtcd } from './etcd-registry.ts';

export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.proa.etcd'],
  versions: ['v1'],
  status: 'beta',
  capabilities: ['ANNOUNCE', 'NAMESPACES', 'FACTS', 'LIST'],
  config,
  open: openEtcd,
});
