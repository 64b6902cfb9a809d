import { openComponentEtcd } from '../../clients/etcd/properties.ts';
import { defineDriver } from '../../contracts/driver.ts';
import { config } from './config.ts';
import { createEtcdLocks } from './etcd-locks.ts';

export default defineDriver({
  kind: 'lock',
  types: ['lock.etcd'],
  versions: ['v1'],
  status: 'beta',
  capabilities: [],
  config,
  open: async (properties, context) =>
    createEtcdLocks(await openComponentEtcd(properties, context, 'lock.etcd'), `${properties.keyPrefixPath}/`),
});
