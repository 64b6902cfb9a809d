import { hash32 } from '../balance/hash.ts';
import { findRollout, writeRollout, type RolloutEngine } from './rollout-store.ts';
import type { Rollout, RolloutPlan } from './rollout.ts';

/** A rollout that a file asks for. */
export interface DeclaredRollout {
  /** Of the resource. */
  readonly name: string;
  readonly plan: Omit<RolloutPlan, 'namespace'>;
  /** Another number asks for the same plan once more. */
  readonly attempt: number;
  /** Where it shall stand; `running`: where its gates take it. */
  readonly state: 'running' | 'promoted' | 'aborted';
  /** `file:line`. */
  readonly origin: string;
}

/**
 * What came of a declaration. `older`: the app had this one before, and another one since, so it is not begun again; `waits`: one that was begun by hand is running;
 * `changed`: others changed the rollout at the same time, and it has to be tried again.
 */
export type Declared = 'done' | 'older' | 'waits' | 'changed';

const rememberedMax = 50;

/** Names a declaration: what it asks for, not where it is written, nor where it shall stand. */
export function declarationOf({ plan, attempt }: DeclaredRollout): string {
  const { app, from, to, steps, gates, sticky } = plan;
  const text = JSON.stringify([app, from, to, steps, gates, sticky ?? null, attempt]);
  return [0xd1, 0xd2].map((seed) => hash32(text, seed).toString(16).padStart(8, '0')).join('');
}

/**
 * Brings the rollout of an app to what a file asks for. Every runtime that reads the file does so, at its start and when the file changes; who comes second finds it
 * done. A declaration is begun once: what became of it (rolled back, ended by hand) stays until the file asks for something else.
 */
export async function applyDeclaration(
  engine: RolloutEngine,
  declared: DeclaredRollout,
  { namespace, id }: { readonly namespace: string; readonly id: string },
): Promise<Declared> {
  const found = await findRollout(engine, namespace, declared.plan.app);
  const next = nextOf(found?.rollout, declared, { namespace, id, nowMs: engine.now() });
  if (typeof next === 'string') return next;
  return (await writeRollout(engine, { rollout: next, version: found?.version ?? 0 })) ? 'done' : 'changed';
}

function nextOf(
  now: Rollout | undefined,
  declared: DeclaredRollout,
  { namespace, id, nowMs }: { readonly namespace: string; readonly id: string; readonly nowMs: number },
): Rollout | Declared {
  const { plan, state, origin } = declared;
  const own = declarationOf(declared);
  if (now?.declaration === own) return state === 'running' || now.state === state ? 'done' : { ...now, state, why: `${origin} says so` };
  const before = now?.declarations ?? [];
  if (before.includes(own)) return 'older';
  if (now?.state === 'running' && now.declaration === undefined) return 'waits';
  // Other steps or gates for what is under way: its calls stay where they are.
  const goesOn = now?.state === 'running' && now.from === plan.from && now.to === plan.to;
  return {
    ...plan,
    namespace,
    id,
    state,
    step: goesOn ? Math.min(now.step, plan.steps.length - 1) : 0,
    stepBeganMs: nowMs,
    why: `declared in ${origin}`,
    declaration: own,
    declarations: [...before, own].slice(-rememberedMax),
  };
}
