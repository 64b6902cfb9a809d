import type { WorkflowBlock } from '../../blocks/workflow/index.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createGuard } from './guard.ts';
import type { WorkflowRegistry } from './registry.ts';
import { createWorker } from './worker.ts';

export interface AttachParts {
  readonly ports: Pick<Ports, 'clock' | 'process'>;
  readonly operations: Pick<WorkflowBlock, 'attach' | 'history'>;
  readonly warn: (message: string) => void;
}

const guarded = new Set(['development', 'test']);

/** Has a runtime execute what an app offers to workflows, until the answer is called. Nothing for an app that offers nothing. */
export function attachWorkflows(registry: WorkflowRegistry | undefined, { ports, operations, warn }: AttachParts): () => void {
  if (registry === undefined || registry.empty) return () => {};
  const { clock, process: system } = ports;
  // Following code through promises has its price: in production there is nothing left to find.
  const said = system.env('PROA_WORKFLOW_GUARD');
  const wanted = said === 'on' || (said !== 'off' && guarded.has(system.env('NODE_ENV') ?? ''));
  const guard = wanted ? createGuard() : undefined;
  const worker = createWorker({ registry, clock, guard, warn, history: (instanceId) => operations.history(instanceId) });
  const detach = operations.attach(worker);
  return () => {
    detach();
    guard?.close();
  };
}
