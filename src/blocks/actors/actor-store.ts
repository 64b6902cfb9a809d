import type { Engine } from '../../contracts/engine.ts';
import { isEtagError, type StateOperation, type StateStore, type StateValue } from '../../contracts/state.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/ports.ts';
import type { Actor } from './actor.ts';

/** Where the state of actors is kept, so that only the turn that owns an actor can write it. Fails with `engine.fenced` when the actor was taken over. */
export interface ActorStore {
  get(actor: Actor, key: string): Promise<StateValue | undefined>;
  /** What is committed, for a reader that is no turn of the actor. */
  peek(key: string): Promise<StateValue | undefined>;
  transact(actor: Actor, prefix: string, operations: readonly StateOperation[]): Promise<void>;
  readonly operationsMax: number;
}

/** Keys of actors hold no `||`, so that no actor can reach this one, and no application's key is like it. */
const fenceName = '||fence';
const operationsMaxUsual = 1_000;
const fenceTries = 10;

/** Chooses how writes are fenced: by the shard's record where store and placement are of one engine, else by a record in the store that each activation rewrites. */
export function createActorStore(driver: StateStore, engine: Engine, random: Random): ActorStore {
  return driver.engine === engine ? onEngine(driver) : withFence(driver, random);
}

function onEngine(driver: StateStore): ActorStore {
  return {
    operationsMax: driver.transactionOperationsMax ?? operationsMaxUsual,
    get: (_actor, key) => driver.get({ key }),
    peek: (key) => driver.get({ key }),
    transact: (actor, _prefix, operations) => driver.transact?.(operations, {}, { conditions: [actor.shard.condition] }) ?? unable(),
  };
}

/** What the fence of an actor says: under which epoch of its shard it was taken, and by which activation. */
interface Fence {
  readonly epoch: number;
  readonly activation: string;
}

/**
 * Every transaction rewrites the actor's fence and names the etag that it had: an activation of a later epoch has rewritten it before, so that whatever the former
 * one still writes fails as a whole. It is rewritten before the first read, so that no late write slips in behind that read.
 */
function withFence(driver: StateStore, random: Random): ActorStore {
  const fences = new WeakMap<Actor, ActorFence>();
  const fenceOf = (actor: Actor, prefix: string): ActorFence => {
    let fence = fences.get(actor);
    if (fence === undefined)
      fences.set(actor, (fence = new ActorFence(driver, prefix + fenceName, { epoch: actor.shard.epoch, activation: random.uuid() })));
    return fence;
  };
  return {
    operationsMax: (driver.transactionOperationsMax ?? operationsMaxUsual) - 1,
    async get(actor, key) {
      await fenceOf(actor, key.slice(0, key.lastIndexOf('||') + 2)).raised();
      return driver.get({ key });
    },
    peek: (key) => driver.get({ key }),
    async transact(actor, prefix, operations) {
      const fence = fenceOf(actor, prefix);
      const metadata = { partitionKey: prefix.slice(0, -2) };
      await fence.run(async (etag) => {
        const put = { kind: 'upsert' as const, key: fence.key, data: fence.record, etag };
        await (driver.transact?.([put, ...operations], metadata) ?? unable());
      });
    },
  };
}

/** The fence of one activation. */
class ActorFence {
  readonly key: string;
  readonly record: Uint8Array;
  readonly #driver: StateStore;
  readonly #own: Fence;
  #raised: Promise<string> | undefined;
  #line: Promise<unknown> = Promise.resolve();

  constructor(driver: StateStore, key: string, own: Fence) {
    this.#driver = driver;
    this.key = key;
    this.#own = own;
    this.record = Buffer.from(JSON.stringify(own));
  }

  /** Resolves when no former activation can write any more. */
  async raised(): Promise<void> {
    this.#raised ??= this.#raise().catch((error: unknown) => {
      this.#raised = undefined;
      throw error;
    });
    await this.#raised;
  }

  /** Runs transactions one after the other: each needs the etag that the one before left. */
  run(work: (etag: string) => Promise<void>): Promise<void> {
    const done = this.#line.then(async () => {
      await this.raised();
      const etag = (await this.#read()).etag ?? (await this.#raise());
      try {
        await work(etag);
      } catch (error) {
        // Whose etag did not match is not told: if it was the fence's, the actor is another's.
        if (isEtagError(error) && (await this.#read()).etag !== etag) throw fenced();
        throw error;
      }
    });
    this.#line = done.catch(() => undefined);
    return done;
  }

  /** The etag while the fence is this activation's. Fails with `engine.fenced` when a later epoch raised it. */
  async #read(): Promise<{ readonly etag: string | undefined; readonly before: StateValue | undefined }> {
    const before = await this.#driver.get({ key: this.key });
    if (before === undefined) return { etag: undefined, before };
    const there = readFence(before.data);
    if (there.epoch > this.#own.epoch) throw fenced();
    return { etag: there.activation === this.#own.activation ? before.etag : undefined, before };
  }

  async #raise(): Promise<string> {
    for (let tries = 0; tries < fenceTries; tries++) {
      const { etag, before } = await this.#read();
      if (etag !== undefined) return etag;
      const expected = before === undefined ? { concurrency: 'first-write' as const } : { etag: before.etag };
      await this.#driver.set({ key: this.key, data: this.record, ...expected }).catch((error: unknown) => {
        if (!isEtagError(error)) throw error;
      });
    }
    throw new ProaError('overloaded', 'the fence of an actor was rewritten by others again and again');
  }
}

function readFence(data: Uint8Array): Fence {
  try {
    const { epoch, activation } = JSON.parse(Buffer.from(data).toString('utf8')) as Partial<Fence>;
    if (typeof epoch === 'number' && typeof activation === 'string') return { epoch, activation };
  } catch {
    // Falls through: it is told below.
  }
  throw new ProaError('internal', "the record that fences an actor's state is damaged");
}

function fenced(): ProaError {
  return new ProaError('engine.fenced', 'another activation owns the actor');
}

function unable(): Promise<never> {
  return Promise.reject(new ProaError('state.transactions-not-supported', 'the store has no transactions'));
}
