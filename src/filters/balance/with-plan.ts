import { balancePlanKey } from '../../contracts/balancing.ts';
import { derive } from '../../kernel/call.ts';
import { withValue } from '../../kernel/context.ts';
import type { Filter } from '../../kernel/service.ts';

/** Tells the balancer of the target how the calls of this stack want to be balanced. */
export function withPlan<In, Out>(plan: object): Filter<In, Out> {
  return (next) => (call) => next(derive(call, { context: withValue(call.context, balancePlanKey, plan) }));
}
