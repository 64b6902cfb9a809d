import type { Commit } from '../../contracts/engine.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import type { ShardTimers } from '../../contracts/timers.ts';
import { type StartWorkflow, workflowLimits } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import { startedEvent } from './action-events.ts';
import { attributesFit } from './check-answer.ts';
import { risingClock } from './clock-stamp.ts';
import type { Core } from './core.ts';
import { type Header, isFinal, newHeader } from './header.ts';
import { below, encodeLine } from './history-lines.ts';
import { LiveInstance } from './live-instance.ts';
import { commitAhead } from './postman.ts';
import { storedRecord } from './read-state.ts';
import { decodeRecord, encodeRecord, type StoredRecord } from './record.ts';
import { timerAppends, timerFor } from './timer-data.ts';
import { hasRunningChildren } from './tree.ts';

export interface StartParts {
  readonly core: Core;
  readonly timers: ShardTimers;
  readonly adopt: (live: LiveInstance) => void;
  readonly forget: (id: string) => void;
}

const triesMax = 5;

/** Creates an instance: one commit, durable when answered. Fails with `workflow.exists`, or with what is wrong with the request. */
export async function startInstance(parts: StartParts, request: StartWorkflow): Promise<string> {
  const { core } = parts;
  checkStart(request);
  const id = request.instanceId === undefined || request.instanceId === '' ? core.random.uuid() : request.instanceId;
  let found: StoredRecord | undefined;
  // Most ids are new: what is there is read only when the commit says so.
  for (let tries = 0; tries < triesMax; tries++) {
    if (await tryStart(parts, { id, request, found })) return id;
    found = await storedRecord(core, id);
    if (found !== undefined) await refuseTaken(core, { id, request, header: found.header });
  }
  throw new ProaError('overloaded', `workflow instance ${id} changed ${triesMax} times while it was created`);
}

/** Checks ids and sizes. Fails with `workflow.*`. */
export function checkStart({ name, instanceId, input, tags, startAtMs }: StartWorkflow): void {
  if (name === '') throw new ProaError('workflow.name-missing', 'workflow name is not configured');
  if (Buffer.byteLength(name) > workflowLimits.nameBytesMax) {
    throw new ProaError('workflow.limit', `a workflow's name has at most ${workflowLimits.nameBytesMax} bytes`);
  }
  if (instanceId !== undefined) checkInstanceId(instanceId);
  checkPayload(input);
  if (startAtMs !== undefined && !Number.isFinite(startAtMs))
    throw new ProaError('bad-request', 'the start time of a workflow is not valid');
  if (tags !== undefined && !attributesFit(tags)) {
    throw new ProaError('workflow.limit', 'tags have at most 32 entries, 128 characters per name and 512 per value');
  }
}

/** Fails with `workflow.id-invalid` or `workflow.id-too-long`. */
export function checkInstanceId(id: string): void {
  if (/[\x00-\x1f\x7f]/.test(id)) throw new ProaError('workflow.id-invalid', 'an instance id has no control characters');
  if (Buffer.byteLength(id) > workflowLimits.instanceIdBytesMax) {
    throw new ProaError('workflow.id-too-long', `an instance id has at most ${workflowLimits.instanceIdBytesMax} bytes`);
  }
}

/** Fails with `workflow.limit`. */
export function checkPayload(payload: string | undefined): void {
  if (payload !== undefined && Buffer.byteLength(payload) > workflowLimits.payloadBytesMax) {
    throw new ProaError('workflow.limit', `a payload of a workflow has at most ${workflowLimits.payloadBytesMax} bytes`);
  }
}

async function refuseTaken(core: Core, { id, request, header }: { id: string; request: StartWorkflow; header: Header }): Promise<void> {
  if (!isFinal(header.status)) throw new ProaError('workflow.exists', `an active workflow with ID '${id}' already exists`);
  if (request.unique === true)
    throw new ProaError('workflow.exists', `a workflow with ID '${id}' already exists, and ids are to be unique`);
  if (await hasRunningChildren(core, id, header)) {
    throw new ProaError('workflow.exists', `a workflow that the finished workflow with ID '${id}' created is still running`);
  }
}

interface Attempt {
  readonly id: string;
  readonly request: StartWorkflow;
  /** The finished instance that is replaced. */
  readonly found: StoredRecord | undefined;
}

// False: there is something else under the id than was thought, or the shard is not ours any more.
async function tryStart(parts: StartParts, { id, request, found }: Attempt): Promise<boolean> {
  const { core, timers } = parts;
  const { keys, engine } = core;
  const nowMs = engine.now();
  const shard = core.shardOf(id, core.shards);
  const own = core.owned(shard);
  const { header, parts: blobs } = firstHeader(core, id, request);
  const delayed = header.startAtMs !== undefined && header.startAtMs > nowMs;
  const appends = delayed ? timerAppends(timers, shard, [timerFor(header.startAtMs ?? 0, { kind: 'start', instanceId: id })]) : [];
  const record = keys.record(id);
  const mark = own === undefined ? keys.bell(shard, id) : keys.ready(shard, id);
  const value = encodeRecord(header, []);
  await commitAhead(engine, blobs);
  const commit: Commit = {
    if: [{ kind: 'version', key: record, version: found?.version ?? 0 }, ...(own === undefined ? [] : [own.condition])],
    put: [{ key: record, value }, ...(delayed ? [] : [{ key: mark, value: new Uint8Array(0) }])],
    deleteRange:
      found === undefined ? [] : [below(keys.chunks(id)), below(keys.blobs(id, found.header.execution)), below(keys.inboxes(id))],
    append: appends,
    bytesGiven: true,
  };
  const result = await engine.commit(commit);
  if (result.status === 'conflict') return false;
  const [written, marked] = result.status === 'done' ? result.versions : [];
  let version = written;
  if (result.status === 'unknown') {
    const entry = await engine.get(record);
    // The execution's id is in the record: nobody else's looks like it.
    if (entry === undefined || decodeRecord(entry).header.execution !== header.execution) {
      throw outcomeUnknown(`workflow ${id} may or may not have been started`, result.cause);
    }
    version = entry.version;
  }
  for (const append of appends) timers.armed(shard, append);
  parts.forget(id);
  if (own === undefined || delayed || version === undefined) return true;
  const live = new LiveInstance(id, own);
  Object.assign(live, { header, version, ready: true, mark: marked, unread: false });
  parts.adopt(live);
  return true;
}

function firstHeader(core: Core, id: string, request: StartWorkflow): { readonly header: Header; readonly parts: readonly Put[] } {
  const nowMs = core.engine.now();
  const execution = core.random.hex(32);
  const event = startedEvent(
    {
      name: request.name,
      ...(request.version !== undefined && { version: request.version }),
      ...(request.input !== undefined && { input: request.input }),
      instance: { instanceId: id, executionId: execution },
      ...(request.startAtMs !== undefined && { scheduledStartMs: request.startAtMs }),
      ...(request.trace !== undefined && { trace: request.trace }),
      ...(request.tags !== undefined && { tags: request.tags }),
    },
    { stamp: risingClock(nowMs, 0) },
  );
  const place = { keys: core.keys, id, scope: execution, newBlob: () => core.random.hex(16) };
  const { line, parts } = encodeLine(event, place);
  if (event.type !== 'executionStarted') throw new ProaError('internal', 'a workflow begins with its start');
  return { header: newHeader(event, [line], nowMs), parts };
}

type Put = NonNullable<Commit['put']>[number];
