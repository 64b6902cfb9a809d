import type { DeclaredRollout } from '../../../mesh/rollout/declared.ts';
import { gateDefaults, isRolloutName, planLimits, stepsProblem } from '../../../mesh/rollout/plan-limits.ts';
import type { RolloutGates } from '../../../mesh/rollout/rollout.ts';
import type { ResourceHead } from '../model.ts';
import {
  duration,
  filledText,
  list,
  object,
  optional,
  required,
  whole,
  withDefault,
  word,
  wrongValue,
  type Reader,
  type Reading,
} from '../shape.ts';
import { originOf } from '../source.ts';
import { valueAt, type YamlNode } from '../yaml.ts';
import { headFields, headOf } from './head.ts';
import { stickyKey } from './policy/guards.ts';
import { fraction, positiveDuration } from './policy/values.ts';

/** A Rollout of `proa.dev`. */
export interface RolloutResource extends ResourceHead {
  readonly declared: DeclaredRollout;
}

const rolloutName: Reader<string> = (node, path, reading) => {
  const text = filledText(node, path, reading);
  return text === undefined || isRolloutName(text) ? text : wrongValue(reading, node.span, `${path} is no name of an app or version`);
};

const step = object({ percent: required(fraction(0, 100)), hold: required(duration) });
const quantile = fraction(0.01, 99.99);
const gates = object({
  success: withDefault(fraction(0, 100), gateDefaults.successPercent),
  latency: optional(object({ quantile: required(quantile), max: required(positiveDuration) })),
  errorsAbove: optional(fraction(0, 100)),
  latencyFactor: optional(object({ quantile: required(quantile), max: required(fraction(planLimits.factorMin, planLimits.factorMax)) })),
  minRequests: withDefault(whole(1, planLimits.requestsMax), gateDefaults.requestsMin),
});
const gatesDefault = { success: gateDefaults.successPercent, minRequests: gateDefaults.requestsMin };

const shape = object({
  ...headFields,
  spec: required(
    object({
      app: required(rolloutName),
      from: required(rolloutName),
      to: required(rolloutName),
      steps: required(list(step)),
      gates: withDefault(gates, gatesDefault),
      sticky: optional(stickyKey),
      attempt: withDefault(whole(1, 1_000_000), 1),
      state: withDefault(word('running', 'promoted', 'aborted'), 'running'),
    }),
  ),
});

/** Reads a Rollout: the plan of `proa rollout start`, with the same limits. */
export function readRollout(node: YamlNode, reading: Reading): RolloutResource | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const { app, from, to, sticky, attempt, state } = written.spec;
  const steps = written.spec.steps.map(({ percent, hold }) => ({ percent, holdMs: hold }));
  const wrongSteps = stepsProblem(steps);
  const at = (...path: string[]) => valueAt(node, 'spec', ...path)?.span ?? node.span;
  if (wrongSteps !== undefined) return wrongValue(reading, at('steps'), `spec.steps: ${wrongSteps}`);
  if (from === to) return wrongValue(reading, at('to'), 'spec.to: the two versions are the same');
  const head = headOf(written, valueAt(node, 'metadata', 'name')?.span ?? node.span);
  const plan = { app, from, to, steps, gates: gatesOf(written.spec.gates), ...(sticky !== undefined && { sticky }) };
  return { ...head, declared: { name: head.name, plan, attempt, state, origin: originOf(at()) } };
}

function gatesOf({ success, latency, errorsAbove, latencyFactor, minRequests }: NonNullable<ReturnType<typeof gates>>): RolloutGates {
  const beside = {
    ...(errorsAbove !== undefined && { errorsAbove: errorsAbove / 100 }),
    ...(latencyFactor !== undefined && { latency: { quantile: latencyFactor.quantile / 100, factorMax: latencyFactor.max } }),
  };
  return {
    successMin: success / 100,
    requestsMin: minRequests,
    ...(latency !== undefined && { latency: { quantile: latency.quantile / 100, maxMs: latency.max } }),
    ...(Object.keys(beside).length > 0 && { beside }),
  };
}
