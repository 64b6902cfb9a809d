import type { SubscriptionSpec } from '../../contracts/app-channel.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { IncomingEvent } from './incoming-event.ts';
import { createLinearMatches, linearMatches, renameMatches } from './rule-patterns.ts';

/** Picks the path of an event; undefined when nothing matches. Throws when a rule cannot be judged or does not answer true or false. */
export type Router = (event: IncomingEvent) => string | undefined;

type Rule = { readonly path: string; readonly matches: ((event: IncomingEvent) => boolean) | undefined };

/** Limits of one rule: its text, its syntax tree, and what its literals may hold. */
const ruleCharsMax = 4096;
const structure = { maxAstNodes: 1_000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 16 };
/**
 * The largest event that a rule judges, by how many loops (`all`, `exists`, `map` ...) it holds: loops may stand inside each other, and then their
 * cost multiplies. More loops are refused.
 */
const eventBytesMax = [Infinity, 256 * 1024, 2 * 1024, 512] as const;
const loops = /\.\s*(all|exists|exists_one|existsOne|map|filter|transformList|transformMap)\s*\(/g;

/**
 * Compiles the rules of a subscription once. `match` is CEL over `event`; an empty one is always true; the first that matches wins, then the
 * default path. Fails with `config.invalid` naming the rule that is not valid.
 */
export async function compileRoutes(spec: Pick<SubscriptionSpec, 'rules' | 'defaultPath' | 'topic' | 'pubsub'>): Promise<Router> {
  const rules: Rule[] = [];
  for (const { match, path } of spec.rules) {
    const text = match.trim();
    if (text === '') {
      rules.push({ path, matches: undefined });
      break;
    }
    rules.push({ path, matches: await compileRule(text, `${spec.pubsub}/${spec.topic}`) });
  }
  const { defaultPath } = spec;
  return (event) => rules.find(({ matches }) => matches === undefined || matches(event))?.path ?? defaultPath;
}

async function compileRule(text: string, where: string): Promise<(event: IncomingEvent) => boolean> {
  if (text.length > ruleCharsMax) throw invalid(text, where, `it is longer than ${ruleCharsMax} characters`);
  // Loaded only by those who route: most subscriptions have one path.
  const { Environment } = await import('@marcbachmann/cel-js');
  const environment = new Environment({ unlistedVariablesAreDyn: false, homogeneousAggregateLiterals: false, limits: structure });
  environment.registerVariable('event', 'map');
  environment.registerFunction(`string.${linearMatches}(string): bool`, createLinearMatches());
  let evaluate: ReturnType<typeof environment.parse>;
  try {
    evaluate = environment.parse(renameMatches(text));
    const checked = evaluate.check();
    if (!checked.valid) throw checked.error ?? new Error('it has a type error');
  } catch (error) {
    throw invalid(text, where, error instanceof Error ? error.message : String(error));
  }
  const bytesMax = eventBytesMax[text.match(loops)?.length ?? 0];
  if (bytesMax === undefined) throw invalid(text, where, `it holds more than ${eventBytesMax.length - 1} loops`);
  return (event) => {
    if (event.cloudEvent.length > bytesMax) {
      throw new Error(`the match expression ${text} loops over its event, which is larger than ${bytesMax} bytes`);
    }
    const result: unknown = evaluate({ event: event.view() });
    if (typeof result !== 'boolean') throw new Error(`the result of match expression ${text} was not a boolean`);
    return result;
  };
}

function invalid(text: string, where: string, why: string): ProaError {
  return new ProaError('config.invalid', `subscription ${where}: the match expression "${text.slice(0, 200)}" is not valid: ${why}`);
}
