import type { InferOutput } from 'valibot';
import { defineDriver } from '../../contracts/driver.ts';
import type { Endpoint, Registry } from '../../contracts/resolver.ts';
import { config } from './config.ts';

/** A list in the Configuration: for machines that are known beforehand. A changed Configuration is a new list. */
export default defineDriver({
  kind: 'nameresolution',
  types: ['nameresolution.proa.static'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: async ({ apps }) => listed(endpointsOf(apps)),
});

type Apps = InferOutput<typeof config>['apps'];

function endpointsOf(apps: Apps): readonly (Omit<Endpoint, 'namespace'> & { readonly namespace?: string })[] {
  return Object.entries(apps).flatMap(([appId, endpoints]) =>
    endpoints.map(({ address, ...facts }) => ({ appId, instance: `${address.host}:${address.port}`, mesh: address, ...facts })),
  );
}

function listed(all: ReturnType<typeof endpointsOf>): Registry {
  return {
    resolve(appId, namespace) {
      const own = all.filter((endpoint) => endpoint.appId === appId && (endpoint.namespace ?? namespace) === namespace);
      return Promise.resolve({ endpoints: own.map((endpoint) => ({ ...endpoint, namespace })), source: 'static' });
    },
    onChange: () => () => {},
    announce: () => Promise.resolve(() => Promise.resolve()),
    list: () => Promise.resolve(all.map((endpoint) => ({ ...endpoint, namespace: endpoint.namespace ?? 'default' }))),
    close: () => Promise.resolve(),
  };
}
