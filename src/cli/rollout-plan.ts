import { lacksUnit, parseDuration } from '../kernel/duration.ts';
import { isRolloutName, planLimits, stepsProblem, type RolloutGates, type RolloutPlan, type RolloutStep } from '../host/rollout-tools.ts';
import { UsageError } from './parse-args.ts';

const example = 'proa rollout start orders v1 v2 --steps 5:5m,25:10m,100:10m';

/** What the command line says of a rollout. */
export interface WrittenPlan {
  readonly app: string;
  readonly from: string;
  readonly to: string;
  readonly namespace: string;
  readonly steps: string;
  readonly success: string;
  readonly latency: string | undefined;
  readonly errorsAbove: string | undefined;
  readonly latencyFactor: string | undefined;
  readonly minRequests: number;
  readonly sticky: string | undefined;
}

/** Reads a plan. Fails with a UsageError that says what is wrong with it. */
export function readPlan(written: WrittenPlan): RolloutPlan {
  const { app, from, to, namespace } = written;
  for (const each of [app, from, to])
    if (!isRolloutName(each)) throw new UsageError(`${JSON.stringify(each.slice(0, 64))} is no name of an app or version`, example);
  if (from === to) throw new UsageError('the two versions are the same', example);
  const sticky = written.sticky === undefined ? undefined : readSticky(written.sticky);
  return { app, namespace, from, to, steps: readSteps(written.steps), gates: readGates(written), ...(sticky && { sticky }) };
}

function readSteps(text: string): RolloutStep[] {
  const steps = text.split(',').map((part) => {
    const match = /^(\d{1,3}(?:\.\d{1,2})?):(.+)$/.exec(part.trim());
    const holdMs = readTime(match?.[2]);
    if (match === null || holdMs === undefined || holdMs < 0 || !Number.isFinite(holdMs))
      throw new UsageError(`--steps: ${JSON.stringify(part.slice(0, 64))} is not percent:time`, example);
    return { percent: Number(match[1]), holdMs };
  });
  const wrong = stepsProblem(steps);
  if (wrong !== undefined) throw new UsageError(`--steps: ${wrong}`, example);
  return steps;
}

function readGates(written: WrittenPlan): RolloutGates {
  const { success, latency, minRequests } = written;
  const percent = /^\d{1,3}(\.\d{1,4})?$/.test(success) ? Number(success) : NaN;
  if (!(percent >= 0 && percent <= 100)) throw new UsageError('--success must be a percentage from 0 to 100', '--success 99.5');
  if (!(Number.isInteger(minRequests) && minRequests >= 1 && minRequests <= planLimits.requestsMax))
    throw new UsageError('--min-requests must be a whole number from 1', '--min-requests 50');
  const beside = readBeside(written);
  return {
    successMin: percent / 100,
    requestsMin: minRequests,
    ...(latency !== undefined && { latency: readLatency(latency) }),
    ...(beside !== undefined && { beside }),
  };
}

function readTime(text: string | undefined): number | undefined {
  return text === undefined || lacksUnit(text) ? undefined : parseDuration(text);
}

// `p99:` and what follows.
function readQuantile(text: string): { readonly quantile: number; readonly rest: string } | undefined {
  const match = /^p(\d{1,2}(?:\.\d{1,2})?):(.+)$/.exec(text);
  return match === null || !(Number(match[1]) > 0) ? undefined : { quantile: Number(match[1]) / 100, rest: match[2] as string };
}

function readLatency(text: string): NonNullable<RolloutGates['latency']> {
  const read = readQuantile(text);
  const maxMs = readTime(read?.rest);
  if (read === undefined || maxMs === undefined || !(maxMs > 0))
    throw new UsageError('--latency must be a quantile and a time', '--latency p99:500ms');
  return { quantile: read.quantile, maxMs };
}

const { factorMin, factorMax } = planLimits;

function readBeside({ errorsAbove, latencyFactor }: WrittenPlan): RolloutGates['beside'] {
  if (errorsAbove === undefined && latencyFactor === undefined) return undefined;
  const points = errorsAbove === undefined ? undefined : readPoints(errorsAbove);
  const latency = latencyFactor === undefined ? undefined : readFactor(latencyFactor);
  return { ...(points !== undefined && { errorsAbove: points / 100 }), ...(latency !== undefined && { latency }) };
}

function readPoints(text: string): number {
  const points = /^\d{1,3}(\.\d{1,4})?$/.test(text) ? Number(text) : NaN;
  if (!(points >= 0 && points <= 100)) throw new UsageError('--errors-above must be percentage points from 0 to 100', '--errors-above 0.5');
  return points;
}

function readFactor(text: string): { readonly quantile: number; readonly factorMax: number } {
  const read = readQuantile(text);
  const factor = /^\d{1,3}(\.\d{1,4})?$/.test(read?.rest ?? '') ? Number(read?.rest) : NaN;
  if (read === undefined || !(factor >= factorMin && factor <= factorMax))
    throw new UsageError(`--latency-factor must be a quantile and a factor from ${factorMin} to ${factorMax}`, '--latency-factor p99:1.5');
  return { quantile: read.quantile, factorMax: factor };
}

function readSticky(text: string): NonNullable<RolloutPlan['sticky']> {
  if (text === 'caller' || text === 'path') return { from: text };
  const match = /^(header|cookie):([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128})$/.exec(text);
  if (match === null) throw new UsageError('--sticky must be header:NAME, cookie:NAME, caller or path', '--sticky cookie:session');
  const from = match[1] as 'header' | 'cookie';
  return { from, name: from === 'header' ? (match[2] as string).toLowerCase() : (match[2] as string) };
}
