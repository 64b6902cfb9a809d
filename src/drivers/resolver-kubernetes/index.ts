import { createDnsRegistry, fillName } from '../../contracts/dns-registry.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';

/** Headless services as Dapr names them: `<app>-dapr.<namespace>.svc.<cluster domain>`, one address per pod. */
export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.kubernetes'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: async ({ clusterDomain, port, refreshInterval }, { ports, log }) =>
    createDnsRegistry({
      dns: ports.dns,
      clock: ports.clock,
      log,
      source: 'kubernetes',
      question: (appId, namespace) => ({ name: fillName(`{appid}-dapr.{namespace}.svc.${clusterDomain}`, appId, namespace), port }),
      refreshMaxMs: refreshInterval,
    }),
});
