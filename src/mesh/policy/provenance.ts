import type { Effective } from './rule-set.ts';
import type { PolicyClass, PolicyRule } from './model.ts';

/** What nobody wrote. */
export const builtIn = 'built in';

/** Which keys of the YAML decide a parameter that `explain` shows, where its name is not that of the key. Empty: the class as a whole. */
const keysOf: { readonly [C in PolicyClass]?: Readonly<Record<string, readonly string[]>> } = {
  deadline: { within: [''] },
  timeout: { timeout: ['timeout', ''] },
  limits: { limits: [''] },
  retry: {
    retries: ['maxRetries'],
    delay: ['backoff', 'policy', 'duration', 'maxInterval'],
    on: ['matching'],
    httpStatusCodes: ['httpStatusCodes', 'matching.httpStatusCodes'],
    gRPCStatusCodes: ['grpcStatusCodes', 'matching.gRPCStatusCodes'],
  },
  breaker: {
    trip: ['trip', 'consecutive', 'errorRatio', 'slowRatio', 'slow'],
    breakerPerEndpoint: ['consecutive', 'errorRatio', 'slowRatio', 'slow'],
    open: ['open', 'maxOpen', 'timeout'],
    window: ['window', 'minRequests'],
    halfOpenCalls: ['maxRequests'],
  },
  balance: { zone: ['minZoneRatio'], eject: ['outlier'], panic: ['panicRatio'] },
  admission: { limit: ['initial', 'min', 'max'], queue: ['queue', 'maxWait'] },
  fallback: { answer: ['answer', 'cached', 'app'] },
};

/** What a layer's own `from` says is no parameter. */
const notParameters = new Set(['from', 'breakerFrom']);

/** Where each parameter of a layer was written, `file:line`, or that it is built in. */
export function parameterOrigins(
  parameters: Readonly<Record<string, unknown>>,
  name: PolicyClass,
  entry: Effective[PolicyClass] | undefined,
): Record<string, string> {
  const names = Object.keys(parameters).filter((parameter) => !notParameters.has(parameter));
  return Object.fromEntries(names.map((parameter) => [parameter, entry === undefined ? builtIn : originOf(entry.rule, name, parameter)]));
}

function originOf({ origins }: PolicyRule, name: PolicyClass, parameter: string): string {
  const found = new Set<string>();
  for (const key of keysOf[name]?.[parameter] ?? [parameter]) {
    if (key === '' && found.size > 0) continue;
    const path = key === '' ? name : `${name}.${key}`;
    for (const [written, origin] of Object.entries(origins))
      if (written === path || (key !== '' && (written.startsWith(`${path}.`) || written.startsWith(`${path}[`)))) found.add(origin);
  }
  return found.size === 0 ? builtIn : [...found].join(', ');
}
