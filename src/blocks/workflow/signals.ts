import type { Placement } from '../../contracts/placement.ts';
import { outcomeUnknown } from '../../contracts/engine-outcome.ts';
import type { HistoryEvent } from '../../contracts/workflow.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Core } from './core.ts';
import { type Header, isFinal } from './header.ts';
import type { Address, Letter } from './mail.ts';
import { commitAhead, type Postman } from './postman.ts';
import { storedRecord } from './read-state.ts';
import type { ShardKeeper } from './shard-keeper.ts';
import { keysAt } from './tree.ts';
import type { TurnRunner } from './turn-runner.ts';

export interface SignalsParts {
  readonly core: Core;
  readonly postman: Postman;
  readonly runner: TurnRunner;
  readonly keeper: ShardKeeper;
  readonly placement: Placement;
  /** Workers are attached. */
  readonly workers: () => number;
}

/** The header of an instance; fails with `workflow.not-found`. */
export async function headerOf(core: Core, id: string): Promise<Header> {
  const found = await storedRecord(core, id);
  if (found === undefined) throw new ProaError('workflow.not-found', `no such instance exists: '${id}'`);
  return found.header;
}

const triesMax = 3;

/** Puts an event into the inbox of an existing instance, of this app or another one; durable when answered. */
export async function signal({ core, postman, runner }: SignalsParts, to: Address, event: HistoryEvent): Promise<void> {
  const { instanceId: id } = to;
  const letter: Letter = { to, event };
  const record = keysAt(core, to).record(id);
  for (let tries = 0; tries < triesMax; tries++) {
    const delivery = postman.deliver([letter], tries === 0);
    const done = postman.enRoute([id]);
    try {
      await commitAhead(core.engine, delivery.parts);
      const exists = { kind: 'exists', key: record } as const;
      const result = await core.engine.commit({ if: [exists, ...delivery.conditions], put: delivery.puts });
      if (result.status === 'unknown') {
        // If it did, nobody rings for it when the instance is ours.
        for (const arrival of delivery.arrivals) runner.wake(arrival.id);
        throw outcomeUnknown(`workflow ${id} may or may not have got an event`, result.cause);
      }
      if (result.status === 'done') {
        for (const arrival of delivery.arrivals) runner.wake(arrival.id, arrival.item);
        return;
      }
      if (result.failed === 0) throw new ProaError('workflow.not-found', `no such instance exists: '${id}'`);
    } finally {
      done();
    }
  }
  throw new ProaError('overloaded', `workflow ${id} could not be reached`);
}

/** Raises an event: refused for a stalled instance, accepted and dropped for a finished one (serverless reference 5.2). */
export async function raiseEvent(
  parts: SignalsParts,
  id: string,
  { name, input }: { readonly name: string; readonly input: string | undefined },
): Promise<void> {
  if (name === '') throw new ProaError('workflow.event-name-missing', 'event name is not configured');
  const header = await headerOf(parts.core, id);
  if (isFinal(header.status)) return;
  if (header.stall !== undefined) throw new ProaError('workflow.stalled', `workflow '${id}' is stalled: ${header.stall.description}`);
  const event: HistoryEvent = { type: 'eventRaised', id: -1, timeMs: parts.core.engine.now(), name, ...(input !== undefined && { input }) };
  await signal(parts, { ...parts.core.self, instanceId: id }, event);
}

/**
 * Makes sure that somebody acts on what was signalled. Runtimes without workers own nothing, and an app whose workers are all away has no owners: then this runtime becomes
 * one for a while, for terminating, suspending and resuming need no worker.
 */
export async function mindOwner({ core, keeper, placement, workers }: SignalsParts, id: string): Promise<() => void> {
  if (core.owned(core.shardOf(id, core.shards)) !== undefined) return () => {};
  if (workers() > 0 || (await placement.locate(keeper.group, id)) !== undefined) return () => {};
  keeper.join();
  return () => {
    if (workers() === 0) keeper.leaveSoon();
  };
}
