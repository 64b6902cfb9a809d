import type { ActorTypeConfig } from '../../contracts/actor-host.ts';
import { addSpan, parseSpan } from '../../kernel/due-time.ts';

/** What an app says about its actors (Dapr reference 5.2): the same members for all and per entity. */
interface Written {
  readonly entities?: unknown;
  readonly actorIdleTimeout?: unknown;
  readonly actorScanInterval?: unknown;
  readonly drainOngoingCallTimeout?: unknown;
  readonly drainRebalancedActors?: unknown;
  readonly reentrancy?: unknown;
}

export const actorDefaults: Omit<ActorTypeConfig, 'type'> = {
  idleTimeoutMs: 60 * 60_000,
  scanIntervalMs: 30_000,
  drainMs: 2_000,
  reentrancy: { enabled: false, stackDepthMax: 32 },
};

const typesMax = 1_000;
const drainMsMax = 10 * 60_000;

/**
 * The types of `GET /dapr/config`. `remindersStoragePartitions` is of no use here: every reminder has a record of its own. What cannot be read keeps its default
 * and is told to `problem`, as Dapr does.
 */
export function parseActorsConfig(raw: Readonly<Record<string, unknown>>, problem: (text: string) => void): ActorTypeConfig[] {
  const shared = settingsOf(raw, actorDefaults, problem);
  const types = new Map<string, ActorTypeConfig>();
  for (const type of textsOf(raw['entities'])) types.set(type, { ...shared, type });
  const own = Array.isArray(raw['entitiesConfig']) ? (raw['entitiesConfig'] as Written[]) : [];
  for (const entry of own) {
    if (typeof entry !== 'object' || entry === null) continue;
    for (const type of textsOf(entry.entities)) {
      if (types.has(type)) types.set(type, { ...settingsOf(entry, shared, problem), type });
      else problem(`entitiesConfig names the actor type "${type}", which entities does not list`);
    }
  }
  if (types.size > typesMax) problem(`the app lists ${types.size} actor types; the first ${typesMax} are hosted`);
  return Array.from(types.values()).slice(0, typesMax);
}

function settingsOf(written: Written, base: Omit<ActorTypeConfig, 'type'>, problem: (text: string) => void): Omit<ActorTypeConfig, 'type'> {
  const duration = (name: keyof Written, otherwise: number): number => {
    const value = written[name];
    if (value === undefined || value === null || value === '') return otherwise;
    const span = typeof value === 'string' ? parseSpan(value) : undefined;
    if (span !== undefined) return addSpan(0, span);
    problem(`${name} of the actors is no duration: ${JSON.stringify(value).slice(0, 64)}`);
    return otherwise;
  };
  const idleTimeoutMs = Math.max(1, duration('actorIdleTimeout', base.idleTimeoutMs));
  const inherited = written.drainRebalancedActors === true ? base.drainMs || actorDefaults.drainMs : base.drainMs;
  const drainMs = Math.min(duration('drainOngoingCallTimeout', inherited), drainMsMax);
  return {
    idleTimeoutMs,
    scanIntervalMs: Math.max(1, Math.min(duration('actorScanInterval', base.scanIntervalMs), idleTimeoutMs)),
    drainMs: written.drainRebalancedActors === false ? 0 : drainMs,
    reentrancy: reentrancyOf(written.reentrancy, base.reentrancy),
  };
}

function reentrancyOf(written: unknown, base: ActorTypeConfig['reentrancy']): ActorTypeConfig['reentrancy'] {
  if (typeof written !== 'object' || written === null) return base;
  const { enabled, maxStackDepth } = written as { enabled?: unknown; maxStackDepth?: unknown };
  const depth =
    typeof maxStackDepth === 'number' && Number.isInteger(maxStackDepth) && maxStackDepth > 0 ? maxStackDepth : base.stackDepthMax;
  return { enabled: enabled === true, stackDepthMax: depth };
}

function textsOf(list: unknown): string[] {
  return Array.isArray(list) ? list.filter((each): each is string => typeof each === 'string' && each !== '') : [];
}
