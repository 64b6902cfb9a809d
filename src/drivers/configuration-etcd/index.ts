import { openComponentEtcd } from '../../clients/etcd/properties.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createEtcdConfiguration } from './etcd-configuration.ts';

export default defineDriver({
  kind: 'configuration',
  types: ['configuration.etcd'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  async open(properties, context) {
    const client = await openComponentEtcd(properties, context, 'configuration.etcd');
    const { log } = context;
    return createEtcdConfiguration({ client, clock: context.ports.clock, log, prefix: `${properties.keyPrefixPath}/` });
  },
});
