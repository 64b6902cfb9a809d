import { shardOf } from '../blocks/placement/index.ts';
import { createShardTimers } from '../blocks/timers/index.ts';
import { createWorkflowBlock, type WorkflowBlock } from '../blocks/workflow/index.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { Engine } from '../contracts/engine.ts';
import type { Placement } from '../contracts/placement.ts';
import type { Tracer } from '../contracts/tracer.ts';
import type { WorkflowConfig } from './config/model.ts';

export interface WorkflowWiring {
  readonly context: BlockContext;
  readonly engine: Engine;
  readonly tracer: Tracer;
  /** `spec.workflow` of the Configuration. */
  readonly config: WorkflowConfig;
  /** The runtime's own; it outlives the workflows. */
  readonly placement: Placement;
}

/** The workflows of an app. Nothing is written to the engine before the first worker or the first use. */
export function openWorkflows({ context, engine, tracer, config, placement }: WorkflowWiring): WorkflowBlock {
  const { ports, log } = context;
  const { clock } = ports;
  return createWorkflowBlock(context, {
    engine,
    placement,
    shardOf,
    tracer,
    createTimers: (group, options) => createShardTimers({ ...options, engine, clock, log: log.scoped('proa.timers'), group }),
    retention: config.retention,
    limits: config.limits,
  });
}
