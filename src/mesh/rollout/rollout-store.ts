import type { Engine, Entry } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import { prefixEnd, tuple, type Key } from '../../kernel/tuple.ts';
import type { Rollout, RolloutPlan, StepTallies } from './rollout.ts';
import { sumOf } from './version-tally.ts';

/** A rollout as it was read: `version` says of which state a change is. */
export interface StoredRollout {
  readonly rollout: Rollout;
  readonly version: number;
}

/** What one runtime counted of one step. */
interface Sample extends StepTallies {
  readonly id: string;
  readonly step: number;
}

/** What of an engine rollouts need. */
export type RolloutEngine = Pick<Engine, 'get' | 'commit' | 'range' | 'now'>;

const rolloutKey = (namespace: string, app: string): Key => tuple('rollout', namespace, app);
const samplesOf = (namespace: string, app: string): Key => tuple('rollout-sample', namespace, app);
/** What a runtime that ended counted is forgotten after this time, or after twice the time of a longer step. */
const sampleKeptMs = 3_600_000;
const rolloutsMax = 1_000;

/** Below it the rollouts of a namespace lie. */
export function rolloutPrefix(namespace: string): Key {
  return tuple('rollout', namespace);
}

/** The lease of whoever drives an app's rollout. */
export function rolloutLease(namespace: string, app: string): Key {
  return tuple('rollout-lead', namespace, app);
}

/** All rollouts of a namespace, ended ones included; at most 1,000. */
export async function listRollouts(engine: RolloutEngine, namespace: string): Promise<readonly StoredRollout[]> {
  const from = rolloutPrefix(namespace);
  const { entries } = await engine.range({ from, to: prefixEnd(from), limit: rolloutsMax });
  return entries.map(read);
}

/** The rollout of an app. */
export async function findRollout(engine: RolloutEngine, namespace: string, app: string): Promise<StoredRollout | undefined> {
  const entry = await engine.get(rolloutKey(namespace, app));
  return entry === undefined ? undefined : read(entry);
}

/** Begins a rollout in place of one that has ended. Fails with `already-exists` while one is running. */
export async function beginRollout(engine: RolloutEngine, plan: RolloutPlan, id: string): Promise<Rollout> {
  const found = await findRollout(engine, plan.namespace, plan.app);
  if (found?.rollout.state === 'running') throw running(plan.app);
  const declarations = found?.rollout.declarations;
  const rollout: Rollout = {
    ...plan,
    id,
    state: 'running',
    step: 0,
    stepBeganMs: engine.now(),
    why: 'started',
    // A file that asked for one before does not take over from this one.
    ...(declarations !== undefined && { declarations }),
  };
  if (!(await write(engine, { rollout, version: found?.version ?? 0 }))) throw running(plan.app);
  return rollout;
}

/**
 * Ends a rollout by hand: all calls go to the new version, or back to the old one. Also one that has ended can be turned. Fails with `not-found` without one
 * and `aborted` when it changed too often meanwhile.
 */
export async function endRollout(
  engine: RolloutEngine,
  { namespace, app }: Pick<RolloutPlan, 'namespace' | 'app'>,
  state: 'promoted' | 'aborted',
): Promise<Rollout> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const found = await findRollout(engine, namespace, app);
    if (found === undefined)
      throw new ProaError('not-found', `there is no rollout of app "${app}" in namespace "${namespace}"`, {
        hint: '`proa rollout status` shows all of them',
      });
    const rollout: Rollout = { ...found.rollout, state, why: 'by hand' };
    if (await write(engine, { rollout, version: found.version })) return rollout;
  }
  throw new ProaError('aborted', `the rollout of app "${app}" changed all the time`);
}

/** Writes what a driver, or a file, decided; false when somebody else changed it, or drives it, meanwhile. */
export async function writeRollout(engine: RolloutEngine, stored: StoredRollout, leaseEpoch?: number): Promise<boolean> {
  return write(engine, stored, leaseEpoch);
}

/** Leaves what a runtime counted during the present step for the driver. */
export async function leaveSample(
  engine: RolloutEngine,
  rollout: Rollout,
  { instance, ...tallies }: StepTallies & { readonly instance: string },
) {
  const { namespace, app, id, step, steps } = rollout;
  const keptMs = Math.max(sampleKeptMs, 2 * (steps[step]?.holdMs ?? 0));
  const key = tuple('rollout-sample', namespace, app, instance);
  const { from, to } = tallies;
  const sample: Sample = { id, step, from: sumOf([from]), to: sumOf([to]) };
  await engine.commit({ put: [{ key, value: Buffer.from(JSON.stringify(sample)), expiresAtMs: engine.now() + keptMs }] });
}

/** What all runtimes counted during the present step. */
export async function readTallies(engine: RolloutEngine, rollout: Rollout): Promise<StepTallies> {
  const from = samplesOf(rollout.namespace, rollout.app);
  const { entries } = await engine.range({ from, to: prefixEnd(from) });
  const samples = entries
    .map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as Sample)
    .filter(({ id, step }) => id === rollout.id && step === rollout.step);
  return { from: sumOf(samples.map((sample) => sample.from)), to: sumOf(samples.map((sample) => sample.to)) };
}

function read({ value, version }: Entry): StoredRollout {
  return { rollout: JSON.parse(Buffer.from(value).toString('utf8')) as Rollout, version };
}

async function write(engine: RolloutEngine, { rollout, version }: StoredRollout, leaseEpoch?: number): Promise<boolean> {
  const { namespace, app } = rollout;
  const key = rolloutKey(namespace, app);
  const result = await engine.commit({
    if: [
      { kind: 'version', key, version },
      ...(leaseEpoch === undefined ? [] : [{ kind: 'lease', name: rolloutLease(namespace, app), epoch: leaseEpoch } as const]),
    ],
    put: [{ key, value: Buffer.from(JSON.stringify(rollout)) }],
  });
  if (result.status === 'unknown')
    throw new ProaError('engine.unavailable', 'the engine did not say whether the rollout changed', { cause: result.cause });
  return result.status === 'done';
}

function running(app: string): ProaError {
  return new ProaError('already-exists', `a rollout of app "${app}" is running`, {
    hint: 'end it with `proa rollout promote` or `proa rollout abort`',
  });
}
