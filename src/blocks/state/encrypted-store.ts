import type { Component } from '../../contracts/component-set.ts';
import type { BulkOutcome, StateSet, StateStore, StateValue } from '../../contracts/state.ts';
import type { Random } from '../../kernel/ports.ts';
import { createStateCipher, type StateCipher } from './encryption.ts';

/**
 * The store of a component for those who use it as a driver (the state of actors): with `primaryEncryptionKey` every value is encrypted on its way in and decrypted on its
 * way out, as the state API does it; without, it is the driver itself. Fails with `config.invalid`. Queries are not among what it can do, because they see what is stored.
 */
export function encryptedStore({ driver, ...component }: Component<'state'>, random: Random): StateStore {
  const cipher = createStateCipher({ driver, ...component }, random);
  if (cipher === undefined) return driver;
  const sealed = <T extends StateSet>(set: T): T => ({ ...set, data: cipher.encrypt(set.key, set.data) });
  const { transact, keys, deleteWithPrefix, ping } = driver;
  return {
    capabilities: driver.capabilities.filter((each) => each !== 'QUERY_API'),
    ...(driver.transactionOperationsMax === undefined ? {} : { transactionOperationsMax: driver.transactionOperationsMax }),
    ...(driver.engine === undefined ? {} : { engine: driver.engine }),
    async get(request) {
      const found = await driver.get(request);
      return found && opened(cipher, request.key, found);
    },
    set: (request) => driver.set(sealed(request)),
    delete: (request) => driver.delete(request),
    async bulkGet(requests, parallelism) {
      return (await driver.bulkGet(requests, parallelism)).map((outcome) => openedOutcome(cipher, outcome));
    },
    bulkSet: (requests) => driver.bulkSet(requests.map(sealed)),
    bulkDelete: (requests) => driver.bulkDelete(requests),
    ...(transact !== undefined && {
      transact: (operations, metadata, more) =>
        transact.call(
          driver,
          operations.map((each) => (each.kind === 'upsert' ? sealed(each) : each)),
          metadata,
          more,
        ),
    }),
    ...(keys !== undefined && { keys: (prefix, page) => keys.call(driver, prefix, page) }),
    ...(deleteWithPrefix !== undefined && { deleteWithPrefix: (prefix) => deleteWithPrefix.call(driver, prefix) }),
    ...(ping !== undefined && { ping: () => ping.call(driver) }),
    close: () => driver.close(),
  };
}

function opened(cipher: StateCipher, key: string, value: StateValue): StateValue {
  return { ...value, data: cipher.decrypt(key, value.data) };
}

function openedOutcome(cipher: StateCipher, outcome: BulkOutcome<StateValue>): BulkOutcome<StateValue> {
  if (outcome.value === undefined) return outcome;
  try {
    return { ...outcome, value: opened(cipher, outcome.key, outcome.value) };
  } catch (error) {
    return { key: outcome.key, error: error as Error };
  }
}
