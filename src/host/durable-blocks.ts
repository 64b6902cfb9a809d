import { createJobsBlock, type JobsBlock } from '../blocks/jobs/index.ts';
import { createPlacement } from '../blocks/placement/index.ts';
import type { AppChannel } from '../contracts/app-channel.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import type { Owner } from '../kernel/lifecycle.ts';
import type { Machine } from './machine.ts';

export interface DurableOptions {
  readonly context: BlockContext;
  readonly machine: Machine;
  readonly channel: () => AppChannel | undefined;
}

/** The blocks whose state the engine keeps and whose work the runtimes of an app share. */
export interface DurableBlocks {
  readonly jobs: JobsBlock;
}

/** Builds them over one placement; the owner closes them. Nothing is written before one of them has work. */
export function openDurableBlocks({ context, machine, channel }: DurableOptions, owner: Owner): DurableBlocks {
  const { ports, log, appId, namespace } = context;
  const { engine } = machine;
  // What is shared out here is work, which others need not be able to send: an endpoint without addresses.
  const endpoint: Endpoint = { appId, namespace, instance: `${appId}-${ports.random.uuid()}` };
  const placement = createPlacement({
    engine,
    clock: ports.clock,
    log: log.scoped('proa.placement'),
    endpoint: () => endpoint,
    machine: ports.process.hostName(),
  });
  owner.own('placement', () => placement.close(), 5_000);
  const jobs = createJobsBlock(context, { engine, placement, channel });
  owner.own('jobs', () => jobs.close(), 5_000);
  return { jobs };
}
