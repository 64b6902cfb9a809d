import { createPlacement, shardOf } from '../blocks/placement/index.ts';
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
  /** Names this runtime; unique per start. */
  readonly instance: string;
}

/** The workflows of an app and the placement that shares them out. Nothing is written to the engine before the first worker or the first use. */
export function openWorkflows({ context, engine, tracer, config, instance }: WorkflowWiring): {
  readonly block: WorkflowBlock;
  readonly placement: Placement;
} {
  const { ports, log, appId, namespace } = context;
  const { clock } = ports;
  const placement = createPlacement({
    engine,
    clock,
    log: log.scoped('proa.placement'),
    machine: ports.process.hostName(),
    endpoint: () => ({ appId, namespace, instance }),
  });
  const block = createWorkflowBlock(context, {
    engine,
    placement,
    shardOf,
    tracer,
    createTimers: (group, options) => createShardTimers({ ...options, engine, clock, log: log.scoped('proa.timers'), group }),
    retention: config.retention,
    limits: config.limits,
  });
  return { block, placement };
}
