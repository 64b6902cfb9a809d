import type { ExplainedLayer } from '../contracts/admin.ts';
import { noRecords } from '../contracts/decisions.ts';
import { noTracer } from '../contracts/tracer.ts';
import { noMetrics } from '../contracts/metrics.ts';
import { driverIndex } from '../gen/drivers.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { PolicyBook } from '../mesh/policy/book.ts';
import { loadResources } from './config/load-resources.ts';
import type { Problem } from './config/problem.ts';
import { callOf, explainedLayers } from './admin.ts';
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

/** Which layers a call from app to app passes by the resources on disk, with their parameters and where each was written. Opens nothing. */
export async function explainCall(options: ExplainOptions): Promise<ExplainedCall> {
  const { app, caller, httpMethod: method, path, headers } = options;
  const call = callOf({ app, caller, method, path, headers }, options.namespace);
  const side = async (appId: string, direction: 'outbound' | 'inbound') => {
    const { ports, paths, configPaths, namespace } = options;
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
      book: new PolicyBook(resources.policies),
      engine: { now: () => 0, get: nothing, commit: nothing },
      http: { request: nothing, close: () => Promise.resolve() },
      invoke: nothing,
    };
    const layers = explainedLayers(govern, call, direction);
    return { layers, problems: resources.problems };
  };
  const [calling, called] = [await side(caller, 'outbound'), await side(app, 'inbound')];
  const seen = new Set(calling.problems.map(({ message }) => message));
  return {
    problems: [...calling.problems, ...called.problems.filter(({ message }) => !seen.has(message))],
    caller: calling.layers,
    callee: called.layers,
  };
}

function nothing(): Promise<never> {
  return Promise.reject(new ProaError('internal', 'an explained call is not made'));
}
