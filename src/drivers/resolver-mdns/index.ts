import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { openMdns } from './mdns-registry.ts';

export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.mdns'],
  versions: ['v1'],
  status: 'beta',
  capabilities: ['ANNOUNCE', 'NAMESPACES', 'FACTS'],
  config,
  open: openMdns,
});
