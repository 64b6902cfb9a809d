import type { ShardTimers } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import { commitFirm } from './commit-firm.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import type { LiveInstance } from './live-instance.ts';
import type { InboxItem } from './mail.ts';
import { commitAhead, type Delivery, type Postman } from './postman.ts';
import { buildChange, type BuiltChange, type Change, whatFailed } from './turn-commit.ts';

export interface InstanceCommitsParts {
  readonly core: Core;
  readonly postman: Postman;
  readonly timers: () => ShardTimers | undefined;
  /** The record of an instance changed. */
  readonly changed: (id: string, header: Header) => void;
  readonly wake: (id: string, item?: InboxItem) => void;
  readonly drop: (live: LiveInstance) => void;
  readonly reload: (live: LiveInstance) => void;
}

/** What is written of an instance, and what its copy in memory becomes by it. */
export class InstanceCommits {
  readonly #parts: InstanceCommitsParts;

  constructor(parts: InstanceCommitsParts) {
    this.#parts = parts;
  }

  /**
   * Commits a change and makes it that of the copy in memory. False: nothing was kept; the copy was dropped, for its shard or its record is somebody else's now.
   * `otherwise` delivers letters again when shards that seemed ours are not.
   */
  async commit(wanted: Change, otherwise?: () => Delivery): Promise<boolean> {
    const { core, postman } = this.#parts;
    const { live } = wanted;
    const unsure = !wanted.busy && live.ready && live.mark === undefined;
    const change = unsure ? await this.#withMark(wanted) : wanted;
    const built = buildChange(core, change);
    const arrived = postman.enRoute(change.delivery.arrivals.map(({ id }) => id));
    try {
      if (built.ahead.length > 0) await commitAhead(core.engine, built.ahead);
      const result = await commitFirm(core, built.commit, { mark: built.record, still: () => !live.gone && core.holds(live.home) });
      if (result.status === 'done') {
        this.#committed(change, built, result.versions);
        return true;
      }
      const failed = whatFailed(built, result.failed);
      if (failed === 'mark') {
        live.marked();
        return await this.commit({ ...change, busy: true }, otherwise);
      }
      if (failed !== 'delivery' || otherwise === undefined) {
        core.log.info('a workflow was changed by somebody else', { [logFields.workflowInstance]: live.id });
        if (failed === 'shard') this.#parts.drop(live);
        else this.#parts.reload(live);
        this.#lookAt(change.delivery);
        return false;
      }
    } catch (error) {
      this.#lookAt(change.delivery);
      throw error;
    } finally {
      arrived();
    }
    return this.commit({ ...change, delivery: otherwise() });
  }

  // Looks which mark it would delete, and whether that is one of mail that just came. What cannot be read stays.
  async #withMark(change: Change): Promise<Change> {
    const { live, consumed } = change;
    const found = await this.#readMark(live);
    const more = !found || live.unread || this.#parts.postman.underWay(live.id) || live.inbox.some((item) => !consumed.includes(item));
    return more ? { ...change, busy: true } : change;
  }

  async #readMark(live: LiveInstance): Promise<boolean> {
    const { engine, keys } = this.#parts.core;
    try {
      live.mark = (await engine.get(keys.ready(live.shard, live.id)))?.version ?? 0;
      return true;
    } catch {
      return false;
    }
  }

  // It may have happened all the same: what it brought to other instances of our own lies in the engine then, and nobody rings for it.
  #lookAt({ arrivals }: Delivery): void {
    for (const { id } of arrivals) this.#parts.wake(id);
  }

  #committed(change: Change, built: BuiltChange, versions: readonly number[]): void {
    const { live } = change;
    const restarted = change.ended !== undefined;
    if (live.past !== undefined || live.header === undefined || live.header.events === 0 || restarted) {
      live.past = [...(restarted || live.past === undefined ? [] : live.past), ...change.events];
    }
    live.header = built.header;
    if (built.chain !== undefined) live.standing = { kind: 'good', chain: built.chain };
    else if (restarted) live.standing = undefined;
    live.tail = built.tail;
    live.version = versions[0] ?? live.version;
    // Of a commit whose answer was lost only the record's version is known.
    if (built.marked !== undefined) live.mark = versions[built.marked] || undefined;
    // Marked anew while it was on its way.
    live.ready = change.busy || (live.ready && live.mark === undefined);
    this.#consumed(live, change.consumed);
    for (const append of change.appends) this.#parts.timers()?.armed(live.shard, append);
    for (const { id, item } of change.delivery.arrivals) this.#parts.wake(id, item);
    this.#parts.changed(live.id, built.header);
  }

  #consumed(live: LiveInstance, items: readonly InboxItem[]): void {
    if (items.length === 0) return;
    const gone = new Set(items);
    live.inbox = live.inbox.filter((item) => !gone.has(item));
    for (const item of items) item.settled?.(item.unwanted === true ? 'dropped' : 'kept');
  }

  /** Nothing of this instance wants mail. */
  async discardAll(live: LiveInstance): Promise<boolean> {
    const items = live.inbox.filter(({ taken }) => taken !== true);
    if (live.header !== undefined) return items.length > 0 ? this.discard(live, items) : this.settleMark(live, false);
    const { core } = this.#parts;
    const keys = items.flatMap(({ key }) => (key === undefined ? [] : [key]));
    const none = { kind: 'version', key: core.keys.record(live.id), version: 0 } as const;
    if (live.mark === undefined && !(await this.#readMark(live))) throw new ProaError('unavailable', 'a workflow cannot be read');
    const ready = core.keys.ready(live.shard, live.id);
    const mark = { kind: 'version', key: ready, version: live.mark ?? 0 } as const;
    const result = await core.engine.commit({ if: [live.home.condition, none, mark], delete: [...keys, ready] });
    if (result.status !== 'done') {
      // Lost, created by somebody else, or marked anew: what is there is read again, and what was to be thrown away with it.
      if (result.status === 'conflict' && result.failed === 0) this.#parts.drop(live);
      else this.#parts.reload(live);
      return false;
    }
    const gone = new Set(items);
    live.inbox = live.inbox.filter((item) => !gone.has(item));
    live.ready = false;
    if (live.unread || live.inbox.length > 0) return true;
    this.#parts.drop(live);
    return false;
  }

  async discard(live: LiveInstance, items: readonly InboxItem[]): Promise<boolean> {
    const keys = items.flatMap(({ key }) => (key === undefined ? [] : [key]));
    if (keys.length > 0) {
      const { core } = this.#parts;
      const result = await core.engine.commit({ if: [live.home.condition], delete: keys });
      if (result.status === 'conflict') this.#parts.drop(live);
      if (result.status !== 'done') return false;
    }
    const gone = new Set(items);
    live.inbox = live.inbox.filter((item) => !gone.has(item));
    for (const item of items) item.settled?.('dropped');
    return true;
  }

  /** Nothing to do: the mark goes, unless activities are open or mail came at this very moment. */
  async settleMark(live: LiveInstance, early: boolean): Promise<boolean> {
    const { core, postman } = this.#parts;
    const busy = live.activities.size > 0 || live.inbox.length > 0 || postman.underWay(live.id) || live.header?.stall !== undefined;
    if (!live.ready || (busy && !early) || live.unread) return false;
    if (live.mark === undefined) {
      // Mail may come while it is read: whoever drives it looks once more then.
      if (await this.#readMark(live)) return !live.gone && live.mark !== undefined;
      return false;
    }
    const key = core.keys.ready(live.shard, live.id);
    live.ready = false;
    if (live.mark === 0) return false;
    const result = await core.engine.commit({ if: [live.home.condition, { kind: 'version', key, version: live.mark }], delete: [key] });
    if (result.status !== 'done') live.marked();
    return false;
  }
}
