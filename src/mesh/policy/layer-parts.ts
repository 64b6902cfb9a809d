import type { Engine } from '../../contracts/engine.ts';
import type { SharedCounts } from '../../contracts/places.ts';
import { stackName, tellTrail, type Tell } from '../../contracts/decisions.ts';
import type { HttpClient } from '../../contracts/http-client.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Target } from '../../contracts/governance.ts';
import type { Metrics } from '../../contracts/metrics.ts';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { SharedBreakers } from '../../filters/breaker/shared-breakers.ts';
import type { RefusedAt } from '../../kernel/errors.ts';
import type { Clock, ProcessPort, Random } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { dropAnswer } from './answers.ts';
import type { PolicyEpoch } from './book.ts';
import type { Effective } from './rule-set.ts';
import type { PolicyStates } from './states.ts';

/** What layers are made of. */
export interface LayerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly namespace: string;
  readonly states: PolicyStates;
  readonly epoch: PolicyEpoch;
  readonly target: Target;
  /** Where shared quotas are kept. */
  readonly engine: Pick<Engine, 'get' | 'commit' | 'now'>;
  readonly http: HttpClient;
  readonly log: Logger;
  readonly process: Pick<ProcessPort, 'loopTimes'>;
  /** Calls an app through its own stack, for fallbacks and mirrors. */
  readonly invoke: Service<InvokeRequest, InvokeResponse>;
  /** What the processes that serve this app count together; undefined: there is one. */
  readonly shared: SharedCounts | undefined;
  /** The breakers of all these processes; undefined: there is one. */
  readonly sharedBreakers: SharedBreakers | undefined;
}

/** What is in effect of one class. */
export type Entry<C extends keyof Effective> = NonNullable<Effective[C]>;

/** Whose runtime keeps the limits of a target: what comes in is limited by the callee's. */
export function sideOf({ target }: LayerParts): RefusedAt {
  return target.direction === 'inbound' ? 'callee' : 'caller';
}

/** How messages and states name a target. */
export function describeTarget({ block, name, operation }: Target): string {
  return block === 'invoke' ? `app "${name}"` : `${operation} of ${block} "${name}"`;
}

/** How a layer of this stack tells what it did: which policy asked for it goes along. */
export function tellerOf(
  { target }: LayerParts,
  role: string,
  from?: { readonly entry: Effective[keyof Effective]; readonly name: keyof Effective },
): Tell {
  const rule = from?.entry?.rule;
  const origin = from === undefined ? undefined : rule?.origins[from.name];
  return tellTrail(role, stackName(target), {
    ...(rule !== undefined && { policy: rule.resource }),
    ...(origin !== undefined && { origin }),
  });
}

/** Where a layer's parameters come from, for `explain`. */
export function fromOf(entry: Effective[keyof Effective] | undefined, name: keyof Effective): Record<string, string> {
  if (entry === undefined) return { from: 'built in' };
  return { from: `${entry.rule.resource}, ${entry.rule.origins[name] ?? ''}` };
}

/** Under which key a class keeps its state for a target: the same in every epoch. */
export function stateKey({ target }: LayerParts, entry: { readonly key: string } | undefined, role: string): string {
  return `${role} | ${target.direction} ${target.block} ${target.name} ${target.block === 'invoke' ? '' : target.operation} | ${entry?.key ?? 'built in'}`;
}

/** True where a call goes out to an app: its answers have statuses and bodies. */
export function callsApp({ target }: LayerParts): boolean {
  return target.block === 'invoke' && target.direction === 'outbound';
}

/** True where a call goes out to an actor, wherever it is. */
export function callsActor({ target }: LayerParts): boolean {
  return target.block === 'actors' && target.operation === 'call';
}

/** How to let go of an answer of the target. */
export function dropOf({ target }: LayerParts): { readonly drop?: (output: unknown) => void } {
  return target.block === 'invoke' ? { drop: (answer) => dropAnswer(answer as InvokeResponse) } : {};
}
