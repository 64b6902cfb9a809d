import { base64, textOf } from '../../clients/etcd/encoding.ts';
import type { EtcdClient } from '../../clients/etcd/etcd-client.ts';
import { type LockStore, unlockStatus } from '../../contracts/lock.ts';

interface Answer {
  readonly succeeded?: boolean;
  readonly header?: { readonly revision?: string };
  readonly responses?: readonly { readonly response_range?: { readonly kvs?: readonly { readonly value?: string }[] } }[];
}

/**
 * Locks in etcd: a key that hangs on a lease. The revision of the grant is the fencing token: etcd's revisions only rise. A lock outlives its time by as long as
 * etcd takes to end a lease (about a second), and all of it after a change of leaders; it never ends early.
 */
export function createEtcdLocks(client: EtcdClient, prefix: string): LockStore {
  return {
    async tryLock(resource, owner, expirySeconds) {
      const key = base64(prefix + resource);
      const { ID: lease } = (await client.write('lease/grant', { TTL: Math.ceil(expirySeconds) })) as { ID?: string };
      const answer = (await client.write('kv/txn', {
        compare: [{ key, target: 'CREATE', result: 'EQUAL', create_revision: '0' }],
        success: [{ request_put: { key, value: base64(owner), lease } }],
      })) as Answer;
      if (answer.succeeded === true) return { success: true, fencingToken: Number(answer.header?.revision) };
      // It would end by itself.
      await client.write('lease/revoke', { ID: lease }).catch(() => {});
      return { success: false };
    },
    async unlock(resource, owner) {
      const key = base64(prefix + resource);
      const { succeeded, responses } = (await client.write('kv/txn', {
        compare: [{ key, target: 'VALUE', result: 'EQUAL', value: base64(owner) }],
        success: [{ request_delete_range: { key } }],
        failure: [{ request_range: { key } }],
      })) as Answer;
      if (succeeded === true) return unlockStatus.success;
      const [holder] = responses?.[0]?.response_range?.kvs ?? [];
      if (holder === undefined) return unlockStatus.doesNotExist;
      // An owner without a name is left out of the comparison by nobody: equal here means that it changed hands meanwhile.
      return textOf(holder.value ?? '') === owner ? unlockStatus.internalError : unlockStatus.belongsToOthers;
    },
    close: async () => {},
  };
}
