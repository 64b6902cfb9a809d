import { openComponentEtcd } from '../../clients/etcd/properties.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { envelopeV2, plainV1 } from './envelope.ts';
import { createEtcdStore, etcdCapabilities } from './etcd-store.ts';

export default defineDriver({
  kind: 'state',
  types: ['state.etcd'],
  versions: ['v1', 'v2'],
  status: 'beta',
  capabilities: etcdCapabilities,
  config,
  async open(properties, context) {
    const { clock } = context.ports;
    return createEtcdStore({
      client: await openComponentEtcd(properties, context, 'state.etcd'),
      clock,
      prefix: `${properties.keyPrefixPath}/`,
      operationsMax: properties.maxTxnOps,
      envelope: context.version === 'v1' ? plainV1 : envelopeV2(clock),
    });
  },
});
