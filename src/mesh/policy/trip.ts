import type { BreakerCounts } from '../../filters/breaker/counting-breaker.ts';

export type Trips = (counts: Readonly<BreakerCounts>) => boolean;

const names = ['requests', 'totalSuccesses', 'totalFailures', 'consecutiveSuccesses', 'consecutiveFailures'] as const;
const charsMax = 1_024;
const structure = { maxAstNodes: 200, maxDepth: 20, maxListElements: 50, maxMapEntries: 10, maxCallArguments: 8 };

/** Dapr's condition when none is written. */
export const defaultTrip: Trips = ({ consecutiveFailures }) => consecutiveFailures > 5;

/**
 * Compiles a trip condition: CEL over the counters, which are integers (so `/` rounds down: write `totalFailures * 2 > requests`). Fails with an
 * Error that says why the text is none. A condition that fails while it is judged (division by zero) does not trip.
 */
export async function compileTrip(text: string): Promise<Trips> {
  if (text.length > charsMax) throw new Error(`it is longer than ${charsMax} characters`);
  // Loaded only by those who write conditions.
  const { Environment } = await import('@marcbachmann/cel-js');
  const environment = new Environment({ unlistedVariablesAreDyn: false, limits: structure });
  for (const name of names) environment.registerVariable(name, 'int');
  const evaluate = environment.parse(text);
  const checked = evaluate.check();
  if (!checked.valid) throw checked.error ?? new Error('it has a type error');
  if (checked.type !== 'bool') throw new Error('its result is not true or false');
  return (counts) => {
    try {
      return evaluate(Object.fromEntries(names.map((name) => [name, BigInt(counts[name])]))) === true;
    } catch {
      return false;
    }
  };
}
