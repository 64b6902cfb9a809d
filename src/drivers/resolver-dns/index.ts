import { createDnsRegistry, fillName } from '../../contracts/dns-registry.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';

/** SRV or address records under names of one's own. */
export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.proa.dns'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: async ({ records, name, port, refreshInterval }, { ports, log }) =>
    createDnsRegistry({
      dns: ports.dns,
      clock: ports.clock,
      log,
      source: 'dns',
      question(appId, namespace) {
        const asked = fillName(name, appId, namespace);
        return records === 'srv' ? { services: asked } : { name: asked, port };
      },
      refreshMaxMs: refreshInterval,
    }),
});
