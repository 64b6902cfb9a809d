import type { Condition, Engine, Put } from '../../contracts/engine.ts';
import type { Key } from '../../kernel/tuple.ts';
import type { Core } from './core.ts';
import { encodeLine } from './history-lines.ts';
import { type AppScope, type WorkflowKeys, workflowKeys } from './keys.ts';
import { encodeMail } from './live-instance.ts';
import type { InboxItem, Letter } from './mail.ts';
import { isHome } from './tree.ts';

/** The part of a commit that delivers letters. */
export interface Delivery {
  readonly conditions: readonly Condition[];
  readonly puts: readonly Put[];
  /** Parts of large payloads. They may be committed before: without the letter nobody finds them. */
  readonly parts: readonly Put[];
  /** What arrived at instances of this runtime, to be told once the commit is done. */
  readonly arrivals: readonly { readonly id: string; readonly item: InboxItem }[];
}

/** A delivery of no letter. */
export const nothingToDeliver: Delivery = { conditions: [], puts: [], parts: [], arrivals: [] };

/**
 * Letters into inboxes of this app and of others on the same engine. For an instance of an own shard the letter comes with the mark of work under way, under the shard's
 * condition; for others with a bell, which their owner hears (or finds when it polls) and exchanges for that mark.
 */
export class Postman {
  readonly #core: Core;
  readonly #keys = new Map<string, WorkflowKeys>();
  readonly #enRoute = new Map<string, number>();
  #order = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** `direct` false: rings for everyone, because an own shard turned out to be somebody else's. */
  deliver(letters: readonly Letter[], direct: boolean): Delivery {
    if (letters.length === 0) return nothingToDeliver;
    const conditions = new Map<number, Condition>();
    const puts = new Map<Key, Put>();
    const parts: Put[] = [];
    const arrivals: { id: string; item: InboxItem }[] = [];
    for (const letter of letters) {
      const { instanceId: id } = letter.to;
      const home = isHome(this.#core, letter.to);
      const shard = this.#core.shardOf(id, this.#core.shards);
      const own = home && direct ? this.#core.owned(shard) : undefined;
      const keys = home ? this.#core.keys : this.#keysOf(letter.to);
      const item = this.#write(keys, home ? letter : { ...letter, from: this.#core.self }, { puts, parts });
      if (own === undefined) {
        const bell = keys.bell(shard, id);
        puts.set(bell, { key: bell, value: nothing });
      } else {
        conditions.set(shard, own.condition);
        const ready = keys.ready(shard, id);
        puts.set(ready, { key: ready, value: nothing });
        arrivals.push({ id, item });
      }
    }
    return { conditions: [...conditions.values()], puts: [...puts.values()], parts, arrivals };
  }

  /** Marks for these instances are being written by a commit under way: until the answer is called nobody deletes them. */
  enRoute(ids: readonly string[]): () => void {
    if (ids.length === 0) return arrived;
    for (const id of ids) this.#enRoute.set(id, (this.#enRoute.get(id) ?? 0) + 1);
    return () => {
      for (const id of ids) {
        const left = (this.#enRoute.get(id) ?? 1) - 1;
        if (left > 0) this.#enRoute.set(id, left);
        else this.#enRoute.delete(id);
      }
    };
  }

  underWay(id: string): boolean {
    return this.#enRoute.has(id);
  }

  #write(keys: WorkflowKeys, letter: Letter, into: { puts: Map<Key, Put>; parts: Put[] }): InboxItem {
    const { to, ...mail } = letter;
    const { engine, random, clock } = this.#core;
    let blob: string | undefined;
    const newBlob = (): string => (blob = random.hex(16));
    const { line, parts } = encodeLine(mail.event, { keys, id: to.instanceId, scope: 'mail', newBlob });
    into.parts.push(...parts);
    const key = keys.inbox(to.instanceId, engine.now(), this.#nextOrder());
    into.puts.set(key, { key, value: encodeMail(mail, line, blob) });
    return { ...mail, key, ...(blob !== undefined && { blob }), sinceMs: clock.mono() };
  }

  // Of one process the letters of one millisecond stay in order; of several they only differ.
  #nextOrder(): string {
    this.#order = (this.#order + 1) % 0x1_0000_0000;
    return `${this.#order.toString(16).padStart(8, '0')}${this.#core.random.hex(8)}`;
  }

  #keysOf({ namespace, appId }: AppScope): WorkflowKeys {
    const name = `${namespace}/${appId}`;
    let keys = this.#keys.get(name);
    if (keys === undefined) {
      if (this.#keys.size >= appsKept) this.#keys.clear();
      this.#keys.set(name, (keys = workflowKeys({ namespace, appId })));
    }
    return keys;
  }
}

const nothing = new Uint8Array(0);
const arrived = (): void => {};
const appsKept = 256;

/** Commits parts of large values ahead, in portions that the engine takes. They are found only through what is committed afterwards. */
export async function commitAhead(engine: Engine, puts: readonly Put[]): Promise<void> {
  for (let at = 0; at < puts.length;) {
    const portion: Put[] = [];
    for (let bytes = 0; at < puts.length && portion.length < 200; at++) {
      const put = puts[at] as Put;
      if (bytes > 0 && bytes + put.value.length > aheadBytesMax) break;
      bytes += put.value.length;
      portion.push(put);
    }
    const result = await engine.commit({ put: portion });
    // Writing the same bytes twice changes nothing.
    if (result.status === 'unknown') await engine.commit({ put: portion });
  }
}

const aheadBytesMax = 2 * 1024 * 1024;
