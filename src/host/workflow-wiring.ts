import { shardOf } from '../blocks/placement/index.ts';
import { createShardTimers } from '../blocks/timers/index.ts';
import { createWorkflowBlock, type HistorySigning, type WorkflowBlock } from '../blocks/workflow/index.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { Placement } from '../contracts/placement.ts';
import type { Tracer } from '../contracts/tracer.ts';
import type { LoadedResources } from './config/model.ts';
import type { Machine } from './machine.ts';
import { setWorkflowAccess } from './workflow-access.ts';

export interface WorkflowWiring {
  readonly machine: Pick<Machine, 'engine' | 'peers' | 'registry'>;
  readonly tracer: Tracer;
  readonly resources: Pick<LoadedResources, 'configuration' | 'workflowAccess'>;
  /** The runtime's own; it outlives the workflows. */
  readonly placement: Placement;
  /** Absent: histories are not signed. */
  readonly signing?: HistorySigning;
  /** The runtime is about to end: what it does not get done any more is no error. */
  readonly stopping: () => boolean;
}

/** The workflows of an app. Nothing is written to the engine before the first worker or the first use. */
export function openWorkflows(
  context: BlockContext,
  { machine, tracer, resources, placement, signing, stopping }: WorkflowWiring,
): WorkflowBlock {
  const { engine, registry } = machine;
  const { retention, limits } = resources.configuration.workflow;
  const { ports, log } = context;
  const { clock } = ports;
  const block = createWorkflowBlock(context, {
    engine,
    placement,
    shardOf,
    announced: () => registry.list(),
    tracer,
    createTimers: (group, options) => createShardTimers({ ...options, engine, clock, log: log.scoped('proa.timers'), group }),
    retention,
    limits,
    ...(signing !== undefined && { signing }),
  });
  // What an earlier runtime of the app had is not in effect any more. One that ends before it could say so leaves it to the next.
  if (resources.workflowAccess.length === 0) setWorkflowAccess(block, [], log, stopping).catch(() => {});
  return block;
}
