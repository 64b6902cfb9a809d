import { untold, type Tell } from '../../contracts/decisions.ts';
import type { Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Pair } from '../../kernel/stack.ts';
import type { InvokeRequest } from '../../contracts/app-channel.ts';
import type { AccessControl } from '../../contracts/resources.ts';

type Policy = AccessControl['policies'][number];
type Action = 'allow' | 'deny';

/** Tells how a decision came about, for metrics: by a policy of the caller, or by the global default. */
export type DecisionListener = (decision: {
  readonly allowed: boolean;
  readonly by: 'app' | 'global';
  readonly trustDomain: string;
  readonly namespace: string;
}) => void;

/** Who is told: of every decision, and of each refusal. */
export interface AccessListeners {
  readonly decided: DecisionListener;
  readonly tell?: Tell;
}

/** The app that is called. The list is about others: it may always call itself, as under daprd. */
export interface OwnIdentity {
  readonly appId: string;
  readonly namespace: string;
}

/**
 * Access control lists of a Configuration (Dapr reference 10.5): the caller's policy is looked up by app id and namespace; its operations are matched by path
 * segments on the canonical path, the only form that dispatch sees too. With policies and no global default, the default is deny.
 */
export function accessControl(list: AccessControl, own: OwnIdentity, { decided, tell = untold }: AccessListeners): Pair {
  const callerTrustDomain = list.trustDomain;
  const policies = new Map(list.policies.map((policy) => [`${policy.namespace}\0${policy.appId}`, policy]));
  return {
    admit(call) {
      if (call.caller.appId === own.appId && call.caller.namespace === own.namespace) return;
      const request = call as Call<InvokeRequest>;
      const policy = policies.get(`${call.caller.namespace}\0${call.caller.appId}`);
      const known = policy !== undefined && policy.trustDomain === callerTrustDomain;
      const action = known ? decide(policy, request.input) : list.defaultAction;
      decided({
        allowed: action === 'allow',
        by: known ? 'app' : 'global',
        trustDomain: callerTrustDomain,
        namespace: call.caller.namespace,
      });
      if (action === 'allow') return;
      tell(
        call,
        'refused',
        known ? 'the policy of the calling app denies the operation' : 'no policy is about the calling app, and the default is deny',
      );
      throw new ProaError(
        'invoke.denied',
        `access control policy has denied access to id: spiffe://${callerTrustDomain}/ns/${call.caller.namespace}/${call.caller.appId} operation: ${request.input.path} verb: ${request.input.httpMethod}`,
        { refusedAt: 'callee' },
      );
    },
  };
}

function decide(policy: Policy, request: InvokeRequest): Action {
  const path = segments(request.path.toLowerCase());
  for (const operation of policy.operations) {
    if (!matchesVerb(operation.httpVerbs, request.httpMethod)) continue;
    if (matchesPath(segments(operation.name.toLowerCase()), path)) return operation.action;
  }
  return policy.defaultAction;
}

function matchesVerb(verbs: readonly string[], method: string): boolean {
  return verbs.length === 0 || verbs.some((verb) => verb === '*' || verb.toUpperCase() === method);
}

function segments(path: string): string[] {
  return path.split('/').filter((segment) => segment !== '');
}

// A last segment `*` stands for one segment, `**` for all that follow (at least one).
function matchesPath(pattern: readonly string[], path: readonly string[]): boolean {
  const last = pattern.at(-1);
  const open = last === '**';
  if (open ? path.length < pattern.length : path.length !== pattern.length) return false;
  return pattern.every((segment, i) => (i === pattern.length - 1 && (open || segment === '*')) || segment === path[i]);
}
