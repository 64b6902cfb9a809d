import type { DriverContext } from '../../contracts/driver.ts';
import type {
  BulkOutcome,
  Metadata,
  StateCapability,
  StateDelete,
  StateGet,
  StateOperation,
  StateQuery,
  StateQueryPage,
  StateSet,
  StateStore,
  StateValue,
} from '../../contracts/state.ts';
import {
  QueriableStateStore as queriable,
  StateStore as service,
  TransactionalStateStore as transactional,
  TransactionalStoreMultiMaxSize as multiMaxSize,
} from '../../gen/dapr/proto/components/v1/state_pb.ts';
import { ProaError } from '../../kernel/errors.ts';
import { codecOf, type MethodCodec } from '../../wire/grpc/client.ts';
import { type ComponentLink, isUnimplemented, openLink, openOver } from './component-link.ts';
import { deleteMessage, etagErrorOf, getMessage, operationMessage, setMessage, valueOf } from './state-messages.ts';
import { pageOf, queryMessage } from './state-query.ts';

const init = codecOf(service.method.init);
const features = codecOf(service.method.features);
const get = codecOf(service.method.get);
const set = codecOf(service.method.set);
const remove = codecOf(service.method.delete);
const bulkGet = codecOf(service.method.bulkGet);
const bulkSet = codecOf(service.method.bulkSet);
const bulkDelete = codecOf(service.method.bulkDelete);
const ping = codecOf(service.method.ping);
const transact = codecOf(transactional.method.transact);
const maxSize = codecOf(multiMaxSize.method.multiMaxSize);
const query = codecOf(queriable.method.query);

const parallelismDefault = 10;

/** What reflection found beside the state store itself. */
export interface StateServices {
  readonly transactional: boolean;
  readonly queriable: boolean;
  readonly multiMaxSize: boolean;
}

/** Opens a store that a pluggable component serves. A feature that it declares without the service behind it is left out, with a warning. */
export async function openState(
  socket: string,
  properties: Readonly<Record<string, string>>,
  context: DriverContext,
  services: StateServices,
): Promise<StateStore> {
  const link = openLink(socket, context);
  return openOver(link, async () => {
    await link.call(init, { metadata: { properties } });
    const declared = new Set((await link.call(features, {})).features);
    const capabilities = capabilitiesOf(declared, services, context);
    const asked = services.multiMaxSize && capabilities.includes('TRANSACTIONAL');
    const operationsMax = asked ? await operationsMaxOf(link, context) : undefined;
    return new PluggableStore(link, capabilities, operationsMax);
  });
}

function capabilitiesOf(declared: ReadonlySet<string>, services: StateServices, { log }: DriverContext): StateCapability[] {
  const backed = (feature: StateCapability, served: boolean): StateCapability[] => {
    if (!declared.has(feature)) return [];
    if (served) return [feature];
    log.warn(`the component declares ${feature}, but reflection does not list the service for it; it is left out`);
    return [];
  };
  const capabilities: StateCapability[] = [
    ...backed('ETAG', true),
    ...backed('TRANSACTIONAL', services.transactional),
    ...backed('QUERY_API', services.queriable),
    ...backed('TTL', true),
    ...backed('PARTITION_KEY', true),
  ];
  if (capabilities.includes('ETAG') && capabilities.includes('TRANSACTIONAL')) capabilities.push('ACTOR');
  return capabilities;
}

// As in Dapr: a store that cannot tell has no limit.
async function operationsMaxOf(link: ComponentLink, { log }: DriverContext): Promise<number | undefined> {
  try {
    const size = Number((await link.call(maxSize, {}, { timeoutMs: 5_000 })).maxSize);
    return size > 0 ? size : undefined;
  } catch (error) {
    log.warn('the component does not tell how many operations a transaction may have', { error: String(error) });
    return undefined;
  }
}

class PluggableStore implements StateStore {
  readonly capabilities: readonly StateCapability[];
  readonly transactionOperationsMax?: number;
  readonly transact?: (operations: readonly StateOperation[], metadata: Metadata) => Promise<void>;
  readonly query?: (query: StateQuery, metadata: Metadata) => Promise<StateQueryPage>;
  readonly #link: ComponentLink;

  constructor(link: ComponentLink, capabilities: readonly StateCapability[], operationsMax: number | undefined) {
    this.#link = link;
    this.capabilities = capabilities;
    if (operationsMax !== undefined) this.transactionOperationsMax = operationsMax;
    if (capabilities.includes('TRANSACTIONAL')) this.transact = (operations, metadata) => this.#transact(operations, metadata);
    if (capabilities.includes('QUERY_API'))
      this.query = async (asked, metadata) => pageOf(await link.call(query, queryMessage(asked, metadata)), asked.keyPrefix);
  }

  async get(request: StateGet): Promise<StateValue | undefined> {
    return valueOf(await this.#link.call(get, getMessage(request)));
  }

  async set(request: StateSet): Promise<void> {
    await this.#write(set, setMessage(request));
  }

  async delete(request: StateDelete): Promise<void> {
    await this.#write(remove, deleteMessage(request));
  }

  async bulkGet(requests: readonly StateGet[], parallelism = parallelismDefault): Promise<BulkOutcome<StateValue>[]> {
    if (requests.length === 0) return [];
    const options = { parallelism: BigInt(parallelism) };
    try {
      const { items } = await this.#link.call(bulkGet, { items: requests.map(getMessage), options });
      const byKey = new Map(items.map((item) => [item.key, item]));
      return requests.map(({ key }) => {
        const item = byKey.get(key);
        if (item === undefined) return { key };
        if (item.error !== '') return { key, error: new Error(item.error) };
        const value = valueOf(item);
        return value === undefined ? { key } : { key, value };
      });
    } catch (error) {
      if (!isUnimplemented(error)) throw error;
      return this.#getEach(requests, parallelism);
    }
  }

  bulkSet(requests: readonly StateSet[]): Promise<BulkOutcome<void>[]> {
    return this.#writeMany(requests, {
      each: (request) => this.set(request),
      all: () => this.#write(bulkSet, { items: requests.map(setMessage), options: { parallelism: 0n } }),
    });
  }

  bulkDelete(requests: readonly StateDelete[]): Promise<BulkOutcome<void>[]> {
    return this.#writeMany(requests, {
      each: (request) => this.delete(request),
      all: () => this.#write(bulkDelete, { items: requests.map(deleteMessage), options: { parallelism: 0n } }),
    });
  }

  async ping(): Promise<void> {
    await this.#link.call(ping, {});
  }

  close(): Promise<void> {
    return this.#link.close();
  }

  async #transact(operations: readonly StateOperation[], metadata: Metadata): Promise<void> {
    await this.#write(transact, { operations: operations.map(operationMessage), metadata: { ...metadata } });
  }

  async #write<I, O>(method: MethodCodec<I, O>, message: I): Promise<void> {
    try {
      await this.#link.call(method, message);
    } catch (error) {
      throw etagErrorOf(error);
    }
  }

  /**
   * The wire has one answer for a whole bulk. Items that may be refused for themselves therefore go one by one, so that each has its own
   * answer, and a key that stands twice cannot go together either: components write a bulk in any order.
   */
  async #writeMany<T extends StateDelete>(requests: readonly T[], write: Writers<T>): Promise<BulkOutcome<void>[]> {
    if (requests.length === 0) return [];
    const guarded = requests.some(({ etag, concurrency }) => etag !== undefined || concurrency === 'first-write');
    const repeated = new Set(requests.map(({ key }) => key)).size < requests.length;
    if (!guarded && !repeated && requests.length > 1) {
      try {
        await write.all();
        return requests.map(({ key }) => ({ key }));
      } catch (error) {
        if (!isUnimplemented(error)) return requests.map(({ key }) => ({ key, error: ProaError.from(error) }));
      }
    }
    const outcomes: BulkOutcome<void>[] = [];
    for (const request of requests) outcomes.push(await outcomeOf(request.key, write.each(request)));
    return outcomes;
  }

  async #getEach(requests: readonly StateGet[], parallelism: number): Promise<BulkOutcome<StateValue>[]> {
    const outcomes: BulkOutcome<StateValue>[] = [];
    const indexes = requests.keys();
    const lane = async (): Promise<void> => {
      for (const i of indexes) {
        const request = requests[i] as StateGet;
        outcomes[i] = await outcomeOf(request.key, this.get(request));
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, Math.min(parallelism, requests.length)) }, lane));
    return outcomes;
  }
}

interface Writers<T> {
  each(request: T): Promise<void>;
  all(): Promise<void>;
}

function outcomeOf<T>(key: string, work: Promise<T | undefined>): Promise<BulkOutcome<T>> {
  return work.then(
    (value) => (value === undefined ? { key } : { key, value }),
    (error: unknown) => ({ key, error: error instanceof Error ? error : new Error(String(error)) }),
  );
}
