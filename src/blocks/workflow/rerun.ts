import { historyTo, type HistorySource, isScope } from '../../contracts/propagated-history.ts';
import type { HistoryEvent, PropagatedHistory } from '../../contracts/workflow.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { ProaError } from '../../kernel/errors.ts';
import { addressOf, childId, startedEvent } from './action-events.ts';
import type { TaskScheduled } from './apply-turn.ts';
import { risingClock } from './clock-stamp.ts';
import type { Core } from './core.ts';
import { applyToOpen } from './filter-mail.ts';
import { foreignTask } from './foreign-task.ts';
import { type Header, isFinal, newHeader, opens, type OpenOperation, withId } from './header.ts';
import { encodeLine } from './history-lines.ts';
import type { RerunOptions } from './index.ts';
import type { Letter } from './mail.ts';
import { commitAhead, type Postman } from './postman.ts';
import { proven, sourceOf } from './propagate.ts';
import { storedRecord } from './read-state.ts';
import { charsOf, encodeRecord, growTail } from './record.ts';
import { mayBegin, signCopy } from './signing/copy.ts';
import { unproven } from './signing/examine.ts';
import { checkInstanceId, checkPayload } from './start-instance.ts';
import { neverMs, timerAppends, timerFor } from './timer-data.ts';
import { historyOf } from './tree.ts';
import { isOwnApp } from './turn-change.ts';

export interface RerunParts {
  readonly core: Core;
  readonly postman: Postman;
  readonly timers: ShardTimers;
  /** The instance has work. */
  readonly rang: () => void;
}

/**
 * A new instance whose history is that of a finished one up to an event, which is begun again together with what had no result by then (serverless reference 5.11).
 * Nothing is replayed for it: open activities are executed, and their results wake the workflow.
 */
export async function rerunInstance(
  parts: RerunParts,
  source: string,
  { eventId, options }: { readonly eventId: number; readonly options: RerunOptions },
): Promise<string> {
  const { core, postman, timers } = parts;
  const id = options.instanceId === undefined || options.instanceId === '' ? core.random.uuid() : options.instanceId;
  checkInstanceId(id);
  if (options.input !== undefined) checkPayload(options.input.value);
  if (id === source) throw new ProaError('bad-request', 'a workflow is run again under another id than its own');
  if (core.signing !== undefined) mayBegin(core.signing, core.self, core.clock.now());
  const copied = await copiedHistory(core, source, { eventId, options, id });
  const execution = core.random.hex(32);
  const made = await remade(core, { id, source, execution, options, eventId, copied });
  const { keys, engine } = core;
  const shard = core.shardOf(id, core.shards);
  const delivery = postman.deliver(made.letters, false);
  const appends = timerAppends(timers, shard, made.timers);
  const record = keys.record(id);
  const bell = keys.bell(shard, id);
  await commitAhead(engine, [...made.ahead, ...delivery.parts]);
  const puts = new Map([...delivery.puts, ...made.puts, { key: bell, value: new Uint8Array(0) }].map((put) => [put.key, put]));
  const result = await engine.commit({
    if: [{ kind: 'version', key: record, version: 0 }],
    put: [{ key: record, value: encodeRecord(made.header, made.tail) }, ...puts.values()],
    append: appends,
  });
  if (result.status === 'conflict') throw new ProaError('workflow.exists', `a workflow with ID '${id}' already exists`);
  if (result.status === 'unknown') throw outcomeUnknown(`workflow ${source} may or may not run again as ${id}`, result.cause);
  for (const append of appends) timers.armed(shard, append);
  parts.rang();
  return id;
}

interface Wanted {
  readonly eventId: number;
  readonly id: string;
  readonly options: RerunOptions;
}

async function copiedHistory(core: Core, source: string, { eventId, options }: Wanted): Promise<readonly HistoryEvent[]> {
  const found = await storedRecord(core, source);
  if (found === undefined) throw new ProaError('workflow.not-found', `no such instance exists: '${source}'`);
  if (!isFinal(found.header.status))
    throw new ProaError('workflow.unfinished', `workflow '${source}' is not finished: it cannot be run again yet`);
  if (found.header.parent !== undefined)
    throw new ProaError('bad-request', `workflow '${source}' is the child of another one: run that again`);
  const bad = await unproven(core, source, found);
  if (bad !== undefined) throw new ProaError('workflow.history-unproven', `workflow '${source}' cannot be run again: ${bad.why}`);
  const events = await historyOf(core, { keys: core.keys, id: source }, found);
  const at = events.findIndex((event) => event.id === eventId && (opens(event) !== undefined || event.type === 'detachedCreated'));
  const target = events[at];
  if (target === undefined)
    throw new ProaError('workflow.event-not-found', `workflow '${source}' has no activity, timer or child with the event id ${eventId}`);
  if (target.type === 'detachedCreated')
    throw new ProaError('bad-request', 'a workflow cannot be run again from where it created a detached one');
  if (target.type === 'timerCreated' && options.input !== undefined) throw new ProaError('bad-request', 'a timer has no input to replace');
  return events.slice(0, at + 1);
}

interface Remade {
  readonly header: Header;
  readonly tail: readonly string[];
  /** Chunks and large events. */
  readonly ahead: readonly Put[];
  readonly puts: readonly Put[];
  readonly letters: readonly Letter[];
  readonly timers: readonly ReturnType<typeof timerFor>[];
}

type Put = { readonly key: string; readonly value: Uint8Array };

interface Making extends Wanted {
  readonly source: string;
  readonly execution: string;
  readonly copied: readonly HistoryEvent[];
}

const openMax = 100;

async function remade(core: Core, making: Making): Promise<Remade> {
  const { id, execution, source, copied } = making;
  const events = copied.map((event) => renamed(event, making));
  const begins = events.at(-1);
  // What is begun again begins now: a certificate of now signs it.
  if (core.signing !== undefined && begins !== undefined) events[events.length - 1] = { ...begins, timeMs: core.engine.now() };
  const open = new Map<string, OpenOperation>();
  let ids: Header['ids'] = [];
  for (const event of events) {
    applyToOpen(open, event);
    if (event.id >= 0) ids = withId(ids, event.id);
    const operation = opens(event);
    if (operation !== undefined) open.set(String(event.id), operation);
  }
  if (open.size > openMax)
    throw new ProaError('workflow.limit', `a workflow is run again with at most ${openMax} open operations, not ${open.size}`);
  const started = events.find((event) => event.type === 'executionStarted');
  if (started?.type !== 'executionStarted') throw new ProaError('engine.corrupt', `the history of workflow ${source} has no start`);
  const nowMs = core.engine.now();
  const place = { keys: core.keys, id, scope: execution, newBlob: () => core.random.hex(16) };
  const encoded = events.map((event) => encodeLine(event, place));
  const grown = growTail(
    [],
    encoded.map(({ line }) => line),
  );
  const signed = core.signing && signCopy(core.signing, events, encoded);
  const base = newHeader(started, [], nowMs);
  const { pending: _none, ...header } = base;
  const full: Header = {
    ...header,
    status: 'RUNNING',
    startedMs: nowMs,
    lastMs: Math.max(nowMs, ...events.map(({ timeMs }) => timeMs)),
    events: events.length,
    chunks: grown.full.length,
    historyChars: encoded.reduce((sum, { line }) => sum + line.length + 1, charsOf(signed?.lines ?? [])),
    ids,
    open: Object.fromEntries(open),
    rerunOf: source,
    ...(signed !== undefined && { signed: true as const }),
    ...(events.some(({ type }) => type === 'childCreated') && { children: true as const }),
  };
  const chunks = grown.full.map((text, i) => ({ key: core.keys.chunk(id, execution, i), value: Buffer.from(text, 'utf8') }));
  return {
    header: full,
    tail: [...grown.tail, ...(signed?.lines ?? [])],
    ahead: [...chunks, ...encoded.flatMap(({ parts }) => parts)],
    ...begun(core, { id, header: full, events }),
  };
}

/** What is begun again. */
function begun(
  core: Core,
  { id, header, events }: { id: string; header: Header; events: readonly HistoryEvent[] },
): Pick<Remade, 'letters' | 'timers' | 'puts'> {
  const letters: Letter[] = [];
  const timers: ReturnType<typeof timerFor>[] = [];
  const puts: Put[] = [];
  const stamp = risingClock(core.engine.now(), header.lastMs);
  const source = sourceOf(core, { id, header }, events);
  // What is proven ends with what begins now: the times of what began earlier are over.
  const upTo = core.signing === undefined ? undefined : events.at(-1)?.id;
  const along = (event: ChildCreated | TaskScheduled): PropagatedHistory | undefined => handedOn(core, source, { event, upTo });
  for (const event of events) {
    if (event.id < 0 || header.open[event.id] === undefined) continue;
    if (event.type === 'timerCreated' && event.fireAtMs < neverMs) {
      timers.push(
        timerFor(event.fireAtMs, {
          kind: 'timer',
          instanceId: id,
          execution: header.execution,
          timerId: event.id,
          fireAtMs: event.fireAtMs,
        }),
      );
    } else if (event.type === 'taskScheduled' && !isOwnApp(core, event)) {
      const foreign = foreignTask(core, { id, header, propagated: along(event) }, event);
      puts.push(...foreign.puts, ...foreign.parts);
    } else if (event.type === 'childCreated') letters.push(childStart(core, { id, header, event, stamp, propagated: along(event) }));
  }
  return { letters, timers, puts };
}

// The scope stands in the event: what is begun again gets what it would have got.
function handedOn(
  core: Core,
  source: HistorySource,
  { event, upTo }: { readonly event: ChildCreated | TaskScheduled; readonly upTo: number | undefined },
): PropagatedHistory | undefined {
  const { id, propagation: scope } = event;
  return isScope(scope) ? proven(core, historyTo(source, { id: upTo ?? id, scope })) : undefined;
}

type ChildCreated = Extract<HistoryEvent, { readonly type: 'childCreated' }>;

function childStart(
  core: Core,
  {
    id,
    header,
    event,
    stamp,
    propagated,
  }: { id: string; header: Header; event: ChildCreated; stamp: () => number; propagated: PropagatedHistory | undefined },
): Letter {
  const { self, random } = core;
  const { instanceId, name, version, input } = event;
  const parent = {
    taskScheduledId: event.id,
    instanceId: id,
    executionId: header.execution,
    name: header.name,
    appId: self.appId,
    appNamespace: self.namespace,
  };
  const more = { ...(version !== undefined && { version }), ...(input !== undefined && { input }) };
  const handed = propagated === undefined ? {} : { propagated };
  const started = { name, ...more, ...handed, instance: { instanceId, executionId: random.hex(32) }, parent };
  return { to: addressOf(event, instanceId, self), event: startedEvent(started, { stamp }) };
}

/** An event of the source as one of the new instance. */
function renamed(event: HistoryEvent, { id, source, execution, eventId, options }: Making): HistoryEvent {
  const target = event.id === eventId;
  const input = target && options.input !== undefined ? options.input : undefined;
  switch (event.type) {
    case 'executionStarted':
      return { ...event, instance: { instanceId: id, executionId: execution } };
    case 'taskScheduled':
    case 'childCreated': {
      const { input: old, ...rest } = event;
      const value = input === undefined ? old : input.value;
      const child =
        event.type === 'childCreated' ? { instanceId: (target ? options.childInstanceId : undefined) ?? childId(id, event.id) } : {};
      return { ...rest, ...(value !== undefined && { input: value }), ...child, rerunParent: source } as HistoryEvent;
    }
    case 'timerCreated':
      return { ...event, rerunParent: source };
    default:
      return event;
  }
}
