import { createDnsRegistry, fillName } from '../../contracts/dns-registry.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { parseHostPort } from '../../contracts/host-port.ts';
import { config } from './config.ts';

/** Names made from the app's id, looked up in DNS. */
export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.nameformat'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: async ({ format, port, refreshInterval }, { ports, log }) =>
    createDnsRegistry({
      dns: ports.dns,
      clock: ports.clock,
      log,
      source: 'nameformat',
      question(appId, namespace) {
        const written = fillName(format, appId, namespace);
        const address = parseHostPort(written, port);
        if (address === undefined) throw new Error(`the format gives "${written}", which is neither a name nor a name with a port`);
        return { name: address.host, port: address.port };
      },
      refreshMaxMs: refreshInterval,
    }),
});
