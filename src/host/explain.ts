import type { ComponentQuestion, ExplainedComponent, ExplainedLayer } from '../contracts/admin.ts';
import { noRecords } from '../contracts/decisions.ts';
import { noTracer } from '../contracts/tracer.ts';
import { noMetrics } from '../contracts/metrics.ts';
import { driverIndex } from '../gen/drivers.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { PolicyBook } from '../mesh/policy/book.ts';
import { withPlannedRollouts } from '../mesh/rollout/rollout-rules.ts';
import { loadResources } from './config/load-resources.ts';
import type { Problem } from './config/problem.ts';
import { callOf, explainedLayers } from './admin.ts';
import { explainComponent } from './explain-component.ts';
import type { GovernOptions } from './govern.ts';

export interface ExplainOptions {
  readonly ports: Ports;
  readonly paths: readonly string[];
  readonly configPaths: readonly string[];
  readonly namespace: string;
  /** Who calls whom. */
  readonly caller: string;
  readonly app: string;
  readonly httpMethod: string;
  /** Without a leading slash. */
  readonly path: string;
  /** Flat name, value pairs, names in lower case. */
  readonly headers: readonly string[];
}

export interface ExplainedCall {
  readonly problems: readonly Problem[];
  /** What the call passes in the runtime of the caller, and in that of the app; outermost first. */
  readonly caller: readonly ExplainedLayer[];
  readonly callee: readonly ExplainedLayer[];
}

/** Whose resources, and from where. */
type Place = Pick<ExplainOptions, 'ports' | 'paths' | 'configPaths' | 'namespace'>;

/** Which layers a call from app to app passes by the resources on disk, with their parameters and where each was written. Opens nothing. */
export async function explainCall(options: ExplainOptions): Promise<ExplainedCall> {
  const { app, caller, httpMethod: method, path, headers } = options;
  const call = callOf({ app, caller, method, path, headers }, options.namespace);
  const side = async (appId: string, direction: 'outbound' | 'inbound') => {
    const { govern, resources } = await loaded(options, appId);
    return { layers: explainedLayers(govern, call, direction), problems: resources.problems };
  };
  const [calling, called] = [await side(caller, 'outbound'), await side(app, 'inbound')];
  const seen = new Set(calling.problems.map(({ message }) => message));
  return {
    problems: [...calling.problems, ...called.problems.filter(({ message }) => !seen.has(message))],
    caller: calling.layers,
    callee: called.layers,
  };
}

/** The stacks around a component of an app by the resources on disk. Opens nothing. Fails as `explainComponent` does. */
export async function explainComponentOf(
  place: Place,
  appId: string,
  question: ComponentQuestion,
): Promise<{ readonly problems: readonly Problem[]; readonly explained: ExplainedComponent }> {
  const { govern, resources } = await loaded(place, appId);
  return { problems: resources.problems, explained: explainComponent(govern, resources.components, question) };
}

async function loaded({ ports, paths, configPaths, namespace }: Place, appId: string) {
  const resources = await loadResources({ disk: ports.disk, paths, configPaths, appId, namespace, drivers: driverIndex });
  const govern: GovernOptions = {
    clock: ports.clock,
    random: ports.random,
    process: ports.process,
    metrics: noMetrics,
    tracer: noTracer,
    log: silentLogger,
    namespace,
    accessControl: () => resources.configuration.accessControl,
    origins: resources.configuration.origins,
    appId,
    records: noRecords,
    book: new PolicyBook(withPlannedRollouts(resources.policies, namespace)),
    engine: { now: () => 0, get: nothing, commit: nothing },
    http: { request: nothing, close: () => Promise.resolve() },
    invoke: nothing,
  };
  return { govern, resources };
}

function nothing(): Promise<never> {
  return Promise.reject(new ProaError('internal', 'an explained call is not made'));
}
