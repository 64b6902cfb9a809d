import { beginRollout, endRollout, findRollout, listRollouts, readTallies } from '../mesh/rollout/rollout-store.ts';
import { percentOf, textOf, type Rollout, type RolloutGates, type RolloutPlan, type RolloutStep } from '../mesh/rollout/rollout.ts';
import type { Ports } from '../kernel/ports.ts';
import { useEngine } from './engine-tools.ts';

export type { RolloutGates, RolloutPlan, RolloutStep };
export { isRolloutName, planLimits, stepsProblem } from '../mesh/rollout/plan-limits.ts';

/** What to do with rollouts; `show` does nothing to them, and without an app is about all. */
export type RolloutAction =
  | { readonly kind: 'start'; readonly plan: RolloutPlan }
  | { readonly kind: 'promote' | 'abort'; readonly namespace: string; readonly app: string }
  | { readonly kind: 'show'; readonly namespace: string; readonly app?: string };

interface Calls {
  readonly good: number;
  readonly bad: number;
  /** What gates look at, in words. */
  readonly text: string;
}

/** A rollout with its present share of the calls, and what was counted during its present step. */
export interface ShownRollout extends Rollout {
  readonly percent: number;
  readonly calls: { readonly from: Calls; readonly to: Calls };
}

/**
 * Works on the rollouts in the engine of the runtimes on a data directory, or of a database, and shows them. Fails with `already-exists` (one is running),
 * `not-found` (none is there to be ended), and as `useEngine` does.
 */
export async function workOnRollouts(
  ports: Ports,
  place: { readonly directory: string; readonly database?: string },
  action: RolloutAction,
): Promise<readonly ShownRollout[]> {
  return useEngine(ports, place, async (engine) => {
    const rollouts = await act(ports, engine, action);
    return Promise.all(
      rollouts.map(async (rollout) => {
        const { from, to } = await readTallies(engine, rollout);
        const calls = (tally: typeof from): Calls => ({ good: tally.good, bad: tally.bad, text: textOf(tally, rollout.gates) });
        return { ...rollout, percent: percentOf(rollout), calls: { from: calls(from), to: calls(to) } };
      }),
    );
  });
}

async function act(ports: Ports, engine: Parameters<typeof listRollouts>[0], action: RolloutAction): Promise<readonly Rollout[]> {
  switch (action.kind) {
    case 'start':
      return [await beginRollout(engine, action.plan, ports.random.uuid())];
    case 'show': {
      const { namespace, app } = action;
      const stored = app === undefined ? await listRollouts(engine, namespace) : [await findRollout(engine, namespace, app)];
      return stored.flatMap((each) => (each === undefined ? [] : [each.rollout]));
    }
    default:
      return [await endRollout(engine, action, action.kind === 'abort' ? 'aborted' : 'promoted')];
  }
}
