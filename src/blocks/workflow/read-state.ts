import { historyTampered } from '../../contracts/history-signing.ts';
import type { HistoryEvent, WorkflowState } from '../../contracts/workflow.ts';
import type { Core } from './core.ts';
import { type Header, statusOf } from './header.ts';
import { decodeLine, readChunks } from './history-lines.ts';
import { decodeRecord, type StoredRecord } from './record.ts';
import { eventLines } from './signing/marks.ts';

/** The state of an instance as its record tells it, without input, output and failure. */
export function stateOf(id: string, header: Header): WorkflowState {
  const { version, startedMs, completedMs, startAtMs, customStatus, stall, parent, tags, attributes } = header;
  return {
    instanceId: id,
    executionId: header.execution,
    name: header.name,
    ...(version !== undefined && { version }),
    status: statusOf(header),
    createdMs: header.createdMs,
    updatedMs: header.updatedMs,
    ...(startedMs !== undefined && { startedMs }),
    ...(completedMs !== undefined && { completedMs }),
    ...(startAtMs !== undefined && { scheduledStartMs: startAtMs }),
    ...(customStatus !== undefined && { customStatus }),
    ...(stall !== undefined && { stall }),
    ...(parent !== undefined && { parent }),
    ...(tags !== undefined && { tags }),
    ...(attributes !== undefined && { attributes }),
    historyLength: header.events,
  };
}

/** What is stored of an instance; undefined for an unknown one. */
export async function storedRecord(core: Core, id: string): Promise<StoredRecord | undefined> {
  const entry = await core.engine.get(core.keys.record(id));
  return entry === undefined ? undefined : decodeRecord(entry);
}

/** The state with its payloads: the input stands near the begin of the history, output and failure in its last event. */
export async function stateWithPayloads(core: Core, id: string, record: StoredRecord): Promise<WorkflowState> {
  const { header } = record;
  const completed = header.completedMs === undefined ? undefined : await lastOf(core, id, record);
  const started = await startedOf(core, id, record).catch((error: unknown) => {
    // What somebody changed need not be readable any more; that it has failed is.
    if (completed?.type === 'executionCompleted' && completed.failure?.errorType === historyTampered) return undefined;
    throw error;
  });
  return {
    ...stateOf(id, header),
    ...(started?.type === 'executionStarted' && started.input !== undefined && { input: started.input }),
    ...(completed?.type === 'executionCompleted' && {
      ...(completed.result !== undefined && { output: completed.result }),
      ...(completed.failure !== undefined && { failure: completed.failure }),
    }),
  };
}

const startedWithin = 8;

/** The event with which the current execution began. */
export async function startedOf(core: Core, id: string, { header, tail }: StoredRecord): Promise<HistoryEvent | undefined> {
  const { engine, keys } = core;
  const first = header.chunks === 0 ? tail : await readChunks(engine, { keys, id, execution: header.execution, chunks: 1 });
  for (const line of [...(header.pending ?? []), ...eventLines(header, first)].slice(0, startedWithin)) {
    const event = await decodeLine(engine, { keys, id }, line);
    if (event.type === 'executionStarted') return event;
  }
  return undefined;
}

async function lastOf(core: Core, id: string, { header, tail }: StoredRecord): Promise<HistoryEvent | undefined> {
  const { engine, keys } = core;
  const line = eventLines(header, tail).at(-1);
  return line === undefined ? undefined : decodeLine(engine, { keys, id }, line);
}
