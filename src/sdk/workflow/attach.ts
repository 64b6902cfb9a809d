import type { WorkflowBlock } from '../../blocks/workflow/index.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createGuard, type Guard } from './guard.ts';
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
  const { clock, process } = ports;
  // Following code through promises has its price: in production there is nothing left to find.
  const wanted = guarded.has(process.env('PROA_WORKFLOW_GUARD') === 'on' ? 'development' : (process.env('NODE_ENV') ?? ''));
  const guard: Guard | undefined = wanted && process.env('PROA_WORKFLOW_GUARD') !== 'off' ? createGuard() : undefined;
  const worker = createWorker({ registry, clock, guard, warn, history: (instanceId) => operations.history(instanceId) });
  const detach = operations.attach(worker);
  return () => {
    detach();
    guard?.close();
  };
}
