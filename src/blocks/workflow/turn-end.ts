import type { ParentInstance } from '../../contracts/workflow.ts';
import type { TurnInput, TurnOutcome } from './apply-turn.ts';
import type { Core } from './core.ts';
import { isFinal } from './header.ts';
import type { LiveInstance } from './live-instance.ts';
import { endTurnTrace } from './turn-trace.ts';

/** What follows a turn that was kept when it ended an execution: its worker forgets it, and it is counted. */
export function turnEnded(
  core: Core,
  live: LiveInstance,
  { outcome, input }: { readonly outcome: Extract<TurnOutcome, { readonly kind: 'next' }>; readonly input: TurnInput },
): void {
  const { header, restart } = outcome;
  if (restart === undefined && !isFinal(header.status)) return;
  endTurnTrace(live, header);
  live.seat?.worker.forget(live.id);
  if (restart !== undefined) return;
  const status = header.status === 'COMPLETED' ? 'success' : header.status === 'TERMINATED' ? 'terminated' : 'failed';
  core.metrics.execution(header.name, status, Math.max(0, input.startedMs - (input.header.startedMs ?? input.header.createdMs)));
  if (header.parent !== undefined) core.metrics.completion('child', isHere(core, header.parent) ? 'local' : 'remote');
}

function isHere(core: Core, { appId, appNamespace, instanceId }: ParentInstance): boolean {
  const { self } = core;
  const own = appId === self.appId && (appNamespace ?? self.namespace) === self.namespace;
  return own && core.owned(core.shardOf(instanceId, core.shards)) !== undefined;
}
