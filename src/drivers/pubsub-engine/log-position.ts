import type { Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Key } from '../../kernel/tuple.ts';

/** The sequence of the last entry that is older than `timeMs` (0 when none is): reading after it yields everything since then. */
export async function sequenceBefore(engine: Engine, log: Key, timeMs: number): Promise<number> {
  const { first, head } = await engine.readLog(log, 0, 1);
  let low = Math.max(first, 1) - 1;
  let high = head;
  // Times rise with sequences: entries up to `low` are older, those behind `high` are not.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const entry = (await engine.readLog(log, middle, 1)).entries[0];
    if (entry === undefined || entry.timeMs >= timeMs) high = middle;
    else low = entry.sequence;
  }
  return low;
}

export interface StartOptions {
  readonly engine: Engine;
  readonly log: Key;
  /** `recent`, `start`, `head` or an RFC 3339 instant. */
  readonly startFrom: string;
  /** True when the topic has no group yet. */
  readonly first: boolean;
  readonly recentMs: number;
}

/**
 * The position of a new group. `recent`, the default, makes the order in which apps start irrelevant: a topic's first group sees everything
 * that is kept, a later one what was published in the last `keepConsumed` (10 minutes), consumed by others or not. `start` is everything kept,
 * `head` only what comes from now on. Fails with `config.invalid` for other words.
 */
export async function startPosition(options: StartOptions): Promise<number> {
  const { engine, log, startFrom } = options;
  if (startFrom === 'start' || (startFrom === 'recent' && options.first)) return 0;
  if (startFrom === 'head') return (await engine.readLog(log, Number.MAX_SAFE_INTEGER - 1, 1)).head;
  if (startFrom === 'recent') return sequenceBefore(engine, log, engine.now() - options.recentMs);
  const instant = Date.parse(startFrom);
  if (Number.isNaN(instant)) {
    throw new ProaError('config.invalid', `startFrom "${startFrom}" is not known`, {
      hint: 'use recent, start, head or an instant such as 2026-01-31T08:00:00Z',
    });
  }
  return sequenceBefore(engine, log, instant);
}
