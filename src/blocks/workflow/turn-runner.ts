import { type Stall, type TurnAnswer, workflowLimits } from '../../contracts/workflow.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { AbsentApps } from './absent-apps.ts';
import type { Activities } from './activities.ts';
import { admitStarts, startWaits } from './admit-start.ts';
import { applyTurn, terminationIn, type TurnInput, type TurnOutcome } from './apply-turn.ts';
import { askWorker } from './ask-worker.ts';
import { checkAnswer, historyTooLarge, invalidAnswer } from './check-answer.ts';
import { restamped, risingClock } from './clock-stamp.ts';
import { backoffMs, pause } from './commit-firm.ts';
import type { Core } from './core.ts';
import type { Exposed } from './exposed.ts';
import { filterMail } from './filter-mail.ts';
import { type Header, isFinal } from './header.ts';
import { decodeLines } from './history-lines.ts';
import type { InstanceCache } from './instance-cache.ts';
import { InstanceCommits } from './instance-commits.ts';
import { LiveInstance, readInbox, readRecord } from './live-instance.ts';
import { type InboxItem, isControl } from './mail.ts';
import { carryOutbox, effectsFit, type PumpBy, pumpOutbox } from './outbox.ts';
import { nothingToDeliver, type Postman } from './postman.ts';
import { handsOn, noHistories, propagations } from './propagate.ts';
import { accept } from './signing/accept.ts';
import { tamperedChange } from './signing/end-tampered.ts';
import { isBlocked, standingOf } from './signing/examine.ts';
import { attestedLetters } from './signing/results.ts';
import { keptStall, stallFields } from './stall.ts';
import { timerAppends } from './timer-data.ts';
import { runningBelowFinished } from './tree.ts';
import { askedElsewhere, changeOfTurn, restartChange, retentionTimer, type RetentionPolicy } from './turn-change.ts';
import type { Change } from './turn-commit.ts';
import { turnEnded } from './turn-end.ts';
import { noteStall, resumeSpan, turnTrace } from './turn-trace.ts';
import { type Controlled, isHeld, withoutTurn } from './without-turn.ts';
import type { Held, WorkerPool } from './worker-pool.ts';

export interface RunnerParts {
  readonly core: Core;
  readonly pool: WorkerPool;
  readonly cache: InstanceCache;
  readonly postman: Postman;
  readonly exposed: Exposed;
  readonly activities: () => Activities;
  readonly absent: AbsentApps;
  readonly timers: () => ShardTimers | undefined;
  readonly retention: RetentionPolicy;
  /** The record of an instance changed. */
  readonly changed: (id: string, header: Header) => void;
  /** A shard of ours had no lease for a moment: the engine was away. */
  readonly away: () => void;
}

const newsMax = 256;
const restartsMax = 20;
const restartPauseMs = 250;
const postponeMs = 50;
const hashMax = 2 ** 31;

/** Executes turns, one at a time per instance: what arrives meanwhile forms the next one. */
export class TurnRunner {
  readonly #parts: RunnerParts;
  readonly #commits: InstanceCommits;
  readonly #loading = new Map<string, Promise<void>>();
  /** Of shards whose lease could not be renewed for a moment: nothing of them may begin. */
  readonly #postponed = new Set<string>();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#commits = new InstanceCommits({
      ...parts,
      wake: (id, item?: InboxItem) => this.wake(id, item),
      drop: (live) => this.drop(live),
      reload: (live) => this.reload(live),
    });
  }

  /** Something waits for the instance: mail, or its mark. Does nothing when the shard is not ours. */
  wake(id: string, item?: InboxItem): void {
    const live = this.#parts.cache.get(id);
    if (live === undefined) {
      item?.settled?.('lost');
      void this.#load(id);
      return;
    }
    if (item === undefined) live.unread = true;
    else live.add(item);
    if (item === undefined || item.key !== undefined) live.marked();
    if (item !== undefined && item.key === undefined) this.#parts.exposed.watch(live);
    this.#start(live);
  }

  /** Perhaps there is something to do. */
  nudge(live: LiveInstance): void {
    this.#start(live);
  }

  /** An instance that was just created here. */
  adopt(live: LiveInstance): void {
    this.#parts.cache.add(live);
    this.#start(live);
  }

  /** Another worker came: what no worker took, or none could go on with, is tried again. */
  workerCame(): void {
    for (const live of this.#parts.cache.values()) {
      if (!live.parked && live.header?.stall === undefined) continue;
      live.retry = true;
      this.#start(live);
    }
  }

  /** Runs when the instance is in memory, or was read; undefined when its shard is not ours. */
  async loaded(id: string): Promise<LiveInstance | undefined> {
    const { cache } = this.#parts;
    if (cache.get(id) === undefined) await this.#load(id);
    return cache.get(id);
  }

  /** Forgets an instance, with what only memory knew of it. */
  drop(live: LiveInstance): void {
    // A turn that outlived its ownership ends here when there is another copy already.
    if (this.#parts.cache.get(live.id) === live) this.#parts.cache.drop(live.id);
    live.gone = true;
    live.seat?.worker.forget(live.id);
    for (const item of live.inbox.splice(0)) item.settled?.('lost');
  }

  /** Forgets what is known and reads it again: somebody else changed the record. */
  reload(live: LiveInstance): void {
    this.drop(live);
    void this.#load(live.id);
  }

  #load(id: string): Promise<void> {
    const { core, cache } = this.#parts;
    const known = this.#loading.get(id);
    if (known !== undefined) return known;
    // Whoever tries again later may find it here: what is in memory holds mail that the engine does not have.
    if (cache.get(id) !== undefined) return Promise.resolve();
    const index = core.shardOf(id, core.shards);
    const home = core.owned(index);
    if (home === undefined) {
      if (core.membership?.owned(index) !== undefined) this.#postpone(id);
      return Promise.resolve();
    }
    const live = new LiveInstance(id, home);
    const loading = (async () => {
      // A mark that is thought to exist costs at most one delete too many.
      live.ready = true;
      await readRecord(core, live);
      if (core.signing !== undefined || live.header?.signed === true) await standingOf(core, live);
      const created = cache.get(id);
      if (created !== undefined) {
        // Here, meanwhile; what woke it may be mail.
        live.gone = true;
        created.unread = true;
        return this.#start(created);
      }
      cache.add(live);
      if (!isBlocked(live)) await this.#parts.activities().resume(live);
    })();
    const settled = loading
      .catch((error: unknown) => {
        if (cache.get(id) === live) this.drop(live);
        core.log.warn('a workflow cannot be read', { error: ProaError.from(error).message });
        this.#later(backoffMs(core.random, 5), () => void this.#load(id));
      })
      .finally(() => {
        this.#loading.delete(id);
        if (!live.gone && cache.get(id) === live) this.#start(live);
      });
    this.#loading.set(id, settled);
    return settled;
  }

  #postpone(id: string): void {
    this.#parts.away();
    this.#postponed.add(id);
    if (this.#postponed.size > 1) return;
    this.#later(postponeMs, () => {
      const ids = [...this.#postponed];
      this.#postponed.clear();
      for (const each of ids) {
        const live = this.#parts.cache.get(each);
        if (live === undefined) void this.#load(each);
        else this.#start(live);
      }
    });
  }

  #later(ms: number, then: () => void): void {
    this.#parts.core.clock.timer(ms, () => this.#parts.core.closed || then(), true);
  }

  #start(live: LiveInstance): void {
    if (live.gone) return;
    live.again = true;
    if (live.driving) return;
    live.driving = true;
    live.parked = false;
    void this.#run(live);
  }

  async #run(live: LiveInstance): Promise<void> {
    try {
      await this.#drive(live);
    } catch (error) {
      this.#failed(live, error);
    } finally {
      this.#rested(live);
    }
  }

  #rested(live: LiveInstance): void {
    live.driving = false;
    if (live.gone) return;
    // Nobody needs a finished one in memory any more.
    const finished = live.header !== undefined && isFinal(live.header.status) && live.header.outbox === undefined;
    if (finished && live.idle && !live.ready && !live.again) this.#parts.cache.drop(live.id);
    else this.#parts.cache.used(live);
    // Something came after the last look.
    if (live.again && !live.gone) this.#start(live);
  }

  async #drive(live: LiveInstance): Promise<void> {
    const { core } = this.#parts;
    live.again = false;
    while (!live.gone) {
      const home = core.owned(live.shard);
      if (home === undefined) return core.holds(live.home) ? this.#postpone(live.id) : undefined;
      // The shard was lost and is ours again: the look at what waits that this began with found the old copy here, and nobody else comes back to it.
      if (home.epoch !== live.home.epoch) return this.reload(live);
      live.again = false;
      if (live.unread) await readInbox(core, live);
      if (live.header?.outbox !== undefined && !isBlocked(live)) await this.#pump(live);
      if (!(await this.#step(live)) && !live.unread && !live.again) return;
    }
  }

  // Pumping and turns share the instance's order: nothing overtakes what is still to be sent.
  #pump(live: LiveInstance): Promise<void> {
    return pumpOutbox(this.#parts.core, live, this.#carrying(live));
  }

  #carrying(live: LiveInstance): PumpBy {
    const { postman, timers } = this.#parts;
    const commit: PumpBy['commit'] = (change, due) => this.#commits.commit({ ...change, appends: timerAppends(timers(), live.shard, due) });
    return { postman, commit };
  }

  #failed(live: LiveInstance, thrown: unknown): void {
    if (live.gone) return;
    const { core } = this.#parts;
    const error = ProaError.from(thrown);
    core.log.warn('a workflow did not go on; it is tried again', {
      [logFields.workflowInstance]: live.id,
      [logFields.error]: error.message,
    });
    this.drop(live);
    this.#later(backoffMs(core.random, live.failures + 1), () => void this.#load(live.id));
  }

  /** One thing that can be done now. False: there is nothing to do. */
  async #step(live: LiveInstance): Promise<boolean> {
    const { core, pool } = this.#parts;
    if (startWaits(live) && (await admitStarts(core, live, this.#carrying(live)))) return true;
    const { header } = live;
    if (header === undefined || isFinal(header.status)) return this.#commits.discardAll(live);
    const waiting = live.inbox.filter(({ taken }) => taken !== true);
    const controlled = withoutTurn(header, waiting, core.engine.now());
    if (controlled !== undefined) return this.#control(live, controlled);
    if (isBlocked(live)) return this.#blocked(live);
    const ending = waiting.some(({ event }) => event.type === 'executionTerminated');
    if (header.stall !== undefined && !live.retry && !ending) return false;
    const early = header.status === 'PENDING' && header.startAtMs !== undefined && header.startAtMs > core.engine.now();
    if ((early || isHeld(header)) && !ending) return this.#commits.settleMark(live, true);
    const { taken, dropped } = filterMail(header, waiting, newsMax);
    if (taken.length === 0 && header.pending === undefined) {
      return dropped.length > 0 ? this.#commits.discard(live, dropped) : this.#commits.settleMark(live, false);
    }
    // The worker failed last time, or answered from an older history: it might do so for ever.
    const refused = ending && live.failures > 0;
    const unable = early || refused || header.stall !== undefined || !pool.accepts('workflows', header.name);
    if (unable && (ending || (header.pending === undefined && taken.every(isControl)))) return this.#turn(live, undefined);
    if (!pool.accepts('workflows', header.name)) {
      live.parked = true;
      const { name } = header;
      const unheard = pool.unheard(name);
      if (unheard !== undefined) {
        const fields = { [logFields.workflowInstance]: live.id, [logFields.hint]: unheard.hint };
        core.log.warn(`no worker takes the workflow "${name}"; instances of it wait`, fields);
      }
      return false;
    }
    core.metrics.payload(header.name, header.historyChars / workflowLimits.historyBytesMax);
    const large = historyTooLarge(header);
    if (large !== undefined) return this.#stall(live, { reason: 'payload-size', description: large });
    const seat =
      live.seat?.attached === true ? live.seat : pool.home(header.name, (name) => core.shardOf(`${name}\x00${live.id}`, hashMax));
    const held = await pool.acquire('workflows', header.name, seat).held;
    try {
      return await this.#turn(live, held);
    } finally {
      held.release();
    }
  }

  /** Executes a turn with a worker, or, without one, what needs none: a termination, suspending, resuming. */
  async #turn(live: LiveInstance, held: Held | undefined): Promise<boolean> {
    const { core } = this.#parts;
    const { header } = live;
    // While it waited for a worker things may have changed.
    if (live.gone || header === undefined) return false;
    // Whoever drives it looks once more: it may be ours again by then, and nobody would come back to it.
    if (core.owned(live.shard) === undefined) return true;
    const { taken, dropped } = filterMail(
      header,
      live.inbox.filter((item) => item.taken !== true),
      newsMax,
    );
    if (taken.length === 0 && header.pending === undefined) return dropped.length > 0;
    const items = dropped.length === 0 ? taken : [...taken, ...dropped];
    const nowMs = core.clock.mono();
    for (const item of items) {
      item.taken = true;
      core.metrics.waited(nowMs - item.sinceMs);
    }
    for (const item of dropped) item.unwanted = true;
    live.turning = true;
    let kept = false;
    let answer: TurnAnswer | undefined;
    try {
      const first = header.pending === undefined ? [] : await decodeLines(core.engine, { keys: core.keys, id: live.id }, header.pending);
      const accepted = core.signing === undefined ? undefined : await accept(core, live, { first, taken });
      if (isBlocked(live)) return true;
      const stamp = risingClock(core.engine.now(), header.lastMs);
      const startedMs = stamp();
      const news = (accepted?.first ?? first).map((event) => restamped(event, stamp));
      for (const event of accepted?.events ?? taken.map((item) => item.event)) news.push(restamped(event, stamp));
      if (live.span === undefined) await resumeSpan(core, live);
      const trace = turnTrace(live, news);
      answer = held === undefined ? { actions: [] } : await askWorker(core, live, { held, news, startedMs });
      if (answer === undefined) return true;
      const self = { ...core.self, instanceId: live.id, executionId: header.execution };
      const below = terminationIn(news)?.recurse === true ? await runningBelowFinished(core, live.id, header) : [];
      const input: TurnInput = { header, news, answer, startedMs, stamp, self, below, newExecution: () => core.random.hex(32), ...trace };
      kept = await this.#conclude(live, input, items);
      return true;
    } finally {
      live.turning = false;
      for (const item of items) item.taken = false;
      answer?.settled?.(kept);
      if (kept) live.failures = 0;
      else live.seat?.worker.forget(live.id);
    }
  }

  /** True when the turn is part of the history. */
  async #conclude(live: LiveInstance, input: TurnInput, items: readonly InboxItem[]): Promise<boolean> {
    const bad = checkAnswer(input.answer);
    if (bad?.kind === 'size') return this.#stall(live, { reason: 'payload-size', description: bad.text });
    const outcome = applyTurn(bad === undefined ? input : { ...input, answer: invalidAnswer(bad.text) });
    if (outcome.kind === 'stalled') return this.#stall(live, outcome);
    if (outcome.kind === 'stale') {
      await pause(this.#parts.core.clock, backoffMs(this.#parts.core.random, live.failures++));
      return false;
    }
    return this.#keep(live, outcome, { input, items });
  }

  async #keep(
    live: LiveInstance,
    outcome: Extract<TurnOutcome, { readonly kind: 'next' }>,
    { input, items }: { readonly input: TurnInput; readonly items: readonly InboxItem[] },
  ): Promise<boolean> {
    const parts = this.#parts;
    const { core } = parts;
    const { actions } = input.answer;
    const histories = handsOn(actions) ? await propagations(core, live, { actions, events: outcome.events }) : noHistories;
    if (typeof histories === 'string') return this.#stall(live, { reason: 'payload-size', description: histories });
    const applied = { outcome, input, histories };
    const made = outcome.restart === undefined ? changeOfTurn(core, live, applied) : await restartChange(core, live, applied);
    const retention = retentionTimer(core, live.id, { header: made.header, policy: parts.retention });
    const timers = retention === undefined ? made.timers : [...made.timers, retention];
    const { letters: told, header } = made;
    const letters = core.signing === undefined ? told : await attestedLetters(core, live, { letters: told, news: input.news });
    const effects = { letters, header, timers };
    const carried = effectsFit(effects) ? effects : await carryOutbox(core, live, effects);
    const change: Change = {
      live,
      shard: live.home,
      header: carried.header,
      events: made.events,
      ...(made.ended !== undefined && { ended: made.ended }),
      consumed: items,
      appends: timerAppends(parts.timers(), live.shard, carried.timers),
      delivery: parts.postman.deliver(carried.letters, true),
      puts: made.puts,
      parts: made.parts,
      busy:
        made.busy ||
        carried.header.outbox !== undefined ||
        live.unread ||
        parts.postman.underWay(live.id) ||
        live.inbox.some((item) => !items.includes(item)),
    };
    if (!(await this.#commits.commit(change, () => parts.postman.deliver(carried.letters, false)))) return false;
    for (const task of made.tasks) parts.activities().dispatch(live, task);
    for (const at of askedElsewhere(core, live.id, outcome.effects)) parts.absent.waitedFor(at);
    turnEnded(core, live, { outcome, input });
    if (made.ended !== undefined && ++live.restarts >= restartsMax) {
      live.restarts = 0;
      await pause(core.clock, restartPauseMs);
    } else if (made.ended === undefined) live.restarts = 0;
    return true;
  }

  /** Holds the instance: nothing of the turn is kept, what it would have consumed waits. Always false. */
  async #stall(live: LiveInstance, why: Stall): Promise<false> {
    live.retry = false;
    const { header } = live;
    if (header === undefined) return false;
    const stall = keptStall(why);
    if (header.stall?.reason === stall.reason && header.stall.description === stall.description) return false;
    noteStall(live, stall.reason);
    this.#parts.core.log.warn(`workflow "${header.name}" is stalled`, stallFields(live.id, stall));
    await this.#control(live, { header: { ...header, stall, updatedMs: this.#parts.core.engine.now() }, consumed: [] });
    return false;
  }

  /** Its history cannot be relied on, or not here. */
  async #blocked(live: LiveInstance): Promise<boolean> {
    const { standing } = live;
    if (standing?.kind === 'held') return this.#stall(live, { reason: 'signing', description: standing.why });
    const change = standing === undefined || standing.kind === 'good' ? undefined : tamperedChange(this.#parts, live, standing);
    if (change === undefined || !(await this.#commits.commit(change))) return false;
    this.#parts.core.metrics.execution(change.header.name, 'failed', Math.max(0, change.header.updatedMs - change.header.createdMs));
    return true;
  }

  /** A change that no code runs for. */
  #control(live: LiveInstance, { header, consumed }: Controlled): Promise<boolean> {
    const none = { events: [], appends: [], delivery: nothingToDeliver };
    return this.#commits.commit({ live, shard: live.home, header, consumed, ...none, busy: true });
  }
}
