import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { stackName } from '../../contracts/decisions.ts';
import { admit, createAdmission } from '../../filters/admission/admission.ts';
import { createGradient2, createVegas, type LimitBounds } from '../../filters/admission/concurrency-limit.ts';
import { decide, type Grant } from '../../filters/authorise/decide.ts';
import { createTokenVerifier, type TokenVerifier } from '../../filters/authorise/tokens.ts';
import { fault } from '../../filters/fault/fault.ts';
import { bytesBody } from '../../kernel/body.ts';
import type { Call, Priority } from '../../kernel/call.ts';
import { formatDuration } from '../../kernel/duration.ts';
import { ProaError } from '../../kernel/errors.ts';
import { layerFilter, type Layer } from '../../kernel/stack.ts';
import { noteDecision } from '../../kernel/trail.ts';
import type { AdmissionSettings, FaultSettings, TokenSettings } from './access-model.ts';
import { activations } from './activations.ts';
import { describeTarget, fromOf, stateKey, tellerOf, type Entry, type LayerParts } from './layer-parts.ts';
import { headerOf } from './match.ts';
import type { Access } from './rule-set.ts';

/** Header in which callers say how much a call matters. */
const priorityHeader = 'proa-priority';

function priorityOf(call: Call<unknown>): Priority {
  const written = headerOf((call.input as InvokeRequest).headers, priorityHeader);
  return written === 'critical' || written === 'sheddable' ? written : call.priority;
}

/** Admission to the app: adaptive, by priority. */
export function admissionLayer(parts: LayerParts, entry: Entry<'admission'>, priority: Entry<'priority'> | undefined): Layer {
  const { clock, random, states, shared } = parts;
  const settings = entry.value;
  const { algorithm, initial, min, max, queueMax, waitMaxMs, shares } = settings;
  const key = stateKey(parts, entry, 'admission');
  const bounds = boundsOf(settings, shared?.processes ?? 1);
  const admission = states.of(key, settings, () =>
    createAdmission({
      clock,
      limit: algorithm === 'vegas' ? createVegas(bounds, random) : createGradient2(bounds),
      ...(shared !== undefined && { others: { sums: (own) => shared.sums(`${shared.name} ${key}`, own), limitMax: max } }),
      shares,
      queueMax,
      waitMaxMs,
      refused: activations(parts, 'admission', entry.rule),
    }),
  );
  const fixed = priority?.value;
  return {
    role: 'admission',
    why: 'sheds what cannot be answered in time, before it costs anything; the least important first',
    parameters: {
      algorithm,
      limit: `${min} to ${max}, begins at ${initial}`,
      queue: `${queueMax} for ${formatDuration(waitMaxMs)}`,
      shares: `critical ${shares.critical}, default ${shares.default}, sheddable ${shares.sheddable}`,
      priority: fixed ?? `header ${priorityHeader}`,
      ...fromOf(entry, 'admission'),
    },
    filter: layerFilter(
      admit(admission, fixed === undefined ? priorityOf : () => fixed, tellerOf(parts, 'admission', { entry, name: 'admission' })),
    ),
  };
}

/**
 * Several processes learn one limit each, from their own calls at the same app: what they learn adds up, and so does what they begin with. The largest limit is
 * divided as the calls are, so that a process that has all of them may reach it.
 */
function boundsOf({ initial, min, max }: AdmissionSettings, processes: number): LimitBounds {
  return { initial: Math.max(1, Math.floor(initial / processes)), min: Math.max(1, Math.floor(min / processes)), max };
}

/** Injected delays and failures. */
export function faultLayer(parts: LayerParts, entry: Entry<'fault'>): Layer {
  const { clock, random, target } = parts;
  const { delay, abort } = entry.value;
  return {
    role: 'fault',
    why: 'on the logical call, so that fallbacks are tried and nothing is repeated into the fault',
    parameters: {
      ...(delay !== undefined && { delay: `${delay.share * 100} %, ${formatDuration(delay.minMs)} to ${formatDuration(delay.maxMs)}` }),
      ...(abort !== undefined && {
        abort: `${abort.share * 100} %, ${abort.grpc === undefined ? `status ${abort.status}` : `gRPC status ${abort.grpc}`}`,
      }),
      ...fromOf(entry, 'fault'),
    },
    filter: layerFilter(
      fault<InvokeRequest, InvokeResponse>({
        clock,
        random,
        ...(delay !== undefined && { delay }),
        ...(abort !== undefined && { abort: { share: abort.share, answer: () => abortAnswer(abort, target.block === 'invoke') } }),
        injected: activations(parts, 'fault', entry.rule),
        tell: tellerOf(parts, 'fault', { entry, name: 'fault' }),
      }),
    ),
  };
}

function abortAnswer({ status, grpc }: NonNullable<FaultSettings['abort']>, isApp: boolean): Promise<InvokeResponse> {
  if (!isApp) return Promise.reject(new ProaError('unavailable', 'a policy injected this failure'));
  const body = bytesBody(Buffer.from('a policy injected this failure'));
  const headers = ['content-type', 'text/plain', 'proa-fault', 'abort'];
  return Promise.resolve({
    status,
    headers,
    body,
    ...(grpc !== undefined && { grpc: { code: grpc, message: 'a policy injected this failure' } }),
  });
}

/** Who may call; beside the access control of the Configuration. */
export function accessLayer(parts: LayerParts, access: Access): Layer {
  const grants = access.grants.map(({ value, rule }): Grant => ({
    name: rule.resource,
    action: value.action,
    dryRun: value.dryRun,
    ...(value.token !== undefined && { token: { verifier: verifierOf(parts, value.token), claims: value.token.claims } }),
  }));
  const refusedInForce = access.any === undefined ? undefined : activations(parts, 'authorise', access.any);
  return {
    role: 'access',
    why: 'before the app is touched, on the canonical path; refuses what no policy allows',
    parameters: {
      rules:
        grants
          .map(
            ({ name, action, dryRun, token }) =>
              `${name}: ${action}${token === undefined ? '' : ' with a token'}${dryRun ? ' (dry run)' : ''}`,
          )
          .join('; ') || 'none matches',
      otherwise: access.enforced ? 'denied' : 'allowed (dry run)',
      from: access.grants.map(({ rule }) => rule.origins.authorise ?? '').join(', ') || (access.any?.origins.authorise ?? ''),
    },
    filter: layerFilter(
      decide<InvokeResponse>({
        grants,
        enforced: access.enforced,
        onTrial: access.onTrial,
        target: describeTarget(parts.target),
        refused(call, { why, by }, dryRun) {
          // What nobody allows is refused by all rules together: one of them is named.
          const rule = access.grants.find((grant) => grant.rule.resource === by)?.rule ?? access.any;
          noteDecision(call, {
            role: 'access',
            kind: dryRun ? 'chose' : 'refused',
            what: dryRun ? `${why}; on trial, so it went on` : why,
            target: stackName(parts.target),
            ...(rule !== undefined && { policy: rule.resource }),
            ...(rule?.origins.authorise !== undefined && { origin: rule.origins.authorise }),
          });
          if (!dryRun) return refusedInForce?.();
          const { caller, input } = call;
          return parts.log.warn('a policy in dry run would refuse a call', {
            why,
            caller: caller.appId,
            method: input.httpMethod,
            path: input.path,
          });
        },
      }),
    ),
  };
}

// Rules of one issuer share its keys and what is known about tokens.
function verifierOf({ states, clock, http, log }: LayerParts, { issuer, audience, jwksUri }: TokenSettings): TokenVerifier {
  return states.of(`tokens | ${issuer} ${audience} ${jwksUri ?? ''}`, '', () =>
    createTokenVerifier({
      issuer,
      audience,
      ...(jwksUri !== undefined && { jwksUri }),
      context: { clock, http, log, name: `tokens of ${issuer}` },
    }),
  );
}
