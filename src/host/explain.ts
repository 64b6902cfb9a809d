import type { InvokeRequest } from '../contracts/app-channel.ts';
import { noMetrics } from '../contracts/metrics.ts';
import { driverIndex } from '../gen/drivers.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall } from '../kernel/call.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import type { Ports } from '../kernel/ports.ts';
import { PolicyBook } from '../mesh/policy/book.ts';
import type { Rollout } from '../mesh/rollout/rollout.ts';
import { withRollouts } from '../mesh/rollout/rollout-rules.ts';
import { loadResources } from './config/load-resources.ts';
import type { Problem } from './config/problem.ts';
import { layersFor, type GovernOptions } from './govern.ts';

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
  /** Rollouts that the engine knows; absent: none are looked at. */
  readonly rollouts?: readonly Rollout[];
}

/** One layer in words. */
export interface ExplainedLayer {
  readonly role: string;
  readonly why: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface ExplainedCall {
  readonly problems: readonly Problem[];
  /** What the call passes in the runtime of the caller, and in that of the app; outermost first. */
  readonly caller: readonly ExplainedLayer[];
  readonly callee: readonly ExplainedLayer[];
}

/** Which layers a call from app to app passes by the resources on disk, with their parameters and where each was written. Opens nothing. */
export async function explainCall(options: ExplainOptions): Promise<ExplainedCall> {
  const { app, caller, httpMethod, path, headers } = options;
  const input: InvokeRequest = {
    appId: app,
    namespace: options.namespace,
    httpMethod,
    path,
    query: '',
    headers,
    body: emptyBody,
    replayable: true,
  };
  const call = createCall({ block: 'invoke', name: 'call', idempotent: false }, input, {
    caller: { appId: caller, namespace: options.namespace },
  });
  const side = async (appId: string, direction: 'outbound' | 'inbound') => {
    const { ports, paths, configPaths, namespace } = options;
    const resources = await loadResources({ disk: ports.disk, paths, configPaths, appId, namespace, drivers: driverIndex });
    const govern: GovernOptions = {
      clock: ports.clock,
      random: ports.random,
      process: ports.process,
      metrics: noMetrics,
      log: silentLogger,
      namespace,
      accessControl: () => resources.configuration.accessControl,
      book: new PolicyBook(withRollouts(resources.policies, options.rollouts ?? [], () => undefined)),
      engine: { now: () => 0, get: nothing, commit: nothing },
      http: { request: nothing, close: () => Promise.resolve() },
      invoke: nothing,
    };
    const target = { block: 'invoke', name: app, operation: direction === 'outbound' ? 'call' : 'receive', direction };
    const layers = layersFor(govern, target, call).map(({ role, why, parameters = {} }) => ({ role, why, parameters }));
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
