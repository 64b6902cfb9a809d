import type { ExplainedLayer } from '../contracts/admin.ts';
import type { Govern, Target } from '../contracts/governance.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { AccessControl } from '../contracts/resources.ts';
import { stackName, tellTrail, type CallRecorder, type CallRecords } from '../contracts/decisions.ts';
import type { Engine } from '../contracts/engine.ts';
import type { SharedCounts } from '../contracts/places.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import type { Tracer } from '../contracts/tracer.ts';
import type { Logger } from '../kernel/log.ts';
import type { Counter, Metrics } from '../contracts/metrics.ts';
import { accessControl, type DecisionListener } from '../filters/authorise/access-control.ts';
import type { SharedBreakers } from '../filters/breaker/shared-breakers.ts';
import { componentMetrics } from '../filters/metrics/component-metrics.ts';
import { inboundInvocationMetrics, outboundInvocationMetrics } from '../filters/metrics/invocation-metrics.ts';
import { record } from '../filters/record/record.ts';
import { metricNames } from '../kernel/names.ts';
import type { Call } from '../kernel/call.ts';
import type { Clock, ProcessPort, Random } from '../kernel/ports.ts';
import type { Service } from '../kernel/service.ts';
import { createStack, type Layer, type SettleAt } from '../kernel/stack.ts';
import type { PolicyBook, PolicyEpoch } from '../mesh/policy/book.ts';
import { policyLayers } from '../mesh/policy/layers.ts';
import type { Matcher } from '../mesh/policy/match.ts';
import { rulesFor, type TargetRules } from '../mesh/policy/rule-set.ts';
import { inboundTrace } from './inbound-spans.ts';
import { createCallRecorder } from '../telemetry/call-recorder.ts';

export interface GovernOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly namespace: string;
  readonly accessControl: () => AccessControl | undefined;
  /** Where the Configuration's values were written, by path. */
  readonly origins: ReadonlyMap<string, string>;
  /** Whose runtime it is, and what it remembers of calls. */
  readonly appId: string;
  readonly records: CallRecords;
  readonly book: PolicyBook;
  /** Where shared quotas are kept. */
  readonly engine: Pick<Engine, 'get' | 'commit' | 'now'>;
  readonly http: HttpClient;
  readonly log: Logger;
  readonly process: Pick<ProcessPort, 'loopTimes'>;
  /** Calls an app through its own stack. */
  readonly invoke: Service<InvokeRequest, InvokeResponse>;
  readonly shared?: SharedCounts | undefined;
  readonly sharedBreakers?: SharedBreakers | undefined;
}

type Role = (typeof roleOrder)[number];

/** Every role of a stack, outermost first. A stack uses some of them, never in another order (docs/architecture.md explains each place). */
export const roleOrder = [
  'trace',
  'record',
  'metrics',
  'meter',
  'deadline',
  'authorise',
  'access',
  'fallback',
  'fault',
  'system',
  'admission',
  'limit',
  'mirror',
  'split',
  'retry',
  'hedge',
  'breaker',
  'attempt',
  'concurrency',
  'balance',
] as const;

/**
 * The stacks of an app: telemetry everywhere, access control on what comes in, and what the policies of the current epoch ask for. A target is compiled
 * once per epoch; where its rules match only some calls, one stack is compiled for each combination of rules that a call met.
 */
export function createGovern(options: GovernOptions): Govern {
  const { book } = options;
  return (target, service) => {
    let epoch = book.epoch;
    let current = compile(options, target, service);
    return (call) => {
      if (epoch !== book.epoch) {
        epoch = book.epoch;
        current = compile(options, target, service);
      }
      return current(call);
    };
  };
}

function compile<In, Out>(options: GovernOptions, target: Target, service: Service<In, Out>): Service<In, Out> {
  const { epoch } = options.book;
  const rules = rulesFor(epoch.document.rules, target);
  const stackOf = (mask: number): Service<In, Out> =>
    createStack(roleOrder, layersOf(options, { target, epoch, rules, mask }), settleAtOf(target)).over(service);
  if (rules === undefined || rules.matchers.length === 0) return stackOf(0);
  return selecting(rules.matchers, stackOf);
}

/** A body streams on after its answer, and what calls an actor ends with its call; the answers of components and what a call is a part of are values. */
function settleAtOf({ block, operation }: Target): SettleAt {
  return block === 'invoke' || (block === 'actors' && (operation === 'call' || operation === 'receive')) ? 'end' : 'result';
}

/** Which rules match: bit i for the i-th. */
function maskOf(matchers: readonly Matcher[], call: Call<InvokeRequest>): number {
  let mask = 0;
  for (let i = 0; i < matchers.length; i++) if ((matchers[i] as Matcher)(call)) mask |= 1 << i;
  return mask;
}

/** Callers choose what matches, so that there may be as many combinations of rules as they like. */
const stacksMax = 256;

function selecting<In, Out>(matchers: readonly Matcher[], stackOf: (mask: number) => Service<In, Out>): Service<In, Out> {
  const stacks = new Map<number, Service<In, Out>>();
  return (call) => {
    const mask = maskOf(matchers, call as unknown as Call<InvokeRequest>);
    let stack = stacks.get(mask);
    if (stack === undefined) {
      if (stacks.size >= stacksMax) stacks.delete(stacks.keys().next().value as number);
      stacks.set(mask, (stack = stackOf(mask)));
    }
    return stack(call);
  };
}

interface Compiling {
  readonly target: Target;
  readonly epoch: PolicyEpoch;
  readonly rules: TargetRules | undefined;
  readonly mask: number;
}

function layersOf(options: GovernOptions, compiling: Compiling): readonly Layer[] {
  const { target, epoch, rules, mask } = compiling;
  const { clock, random, metrics, namespace, book } = options;
  const parts = {
    clock,
    random,
    metrics,
    namespace,
    states: book.states,
    epoch,
    target,
    process: options.process,
    invoke: options.invoke,
    http: options.http,
    engine: options.engine,
    log: options.log,
    shared: options.shared,
    sharedBreakers: options.sharedBreakers,
  };
  const layers = [
    ...ownLayers(options, compiling),
    ...policyLayers(parts, rules?.effective(mask) ?? {}, {
      named: rules?.named ?? false,
      related: rules?.related ?? [],
      access: rules?.access(mask),
    }),
  ];
  return layers.toSorted((a, b) => roleOrder.indexOf(a.role as Role) - roleOrder.indexOf(b.role as Role));
}

/** The layers that a call to a target passes, outermost first, for `explain`; without a call, those of one that no match fits. */
export function layersFor(options: GovernOptions, target: Target, call?: Call<InvokeRequest>): readonly Layer[] {
  const { epoch } = options.book;
  const rules = rulesFor(epoch.document.rules, target);
  const mask = call === undefined || rules === undefined ? 0 : maskOf(rules.matchers, call);
  return layersOf(options, { target, epoch, rules, mask });
}

/** A layer in words. */
export function explainedLayer({ role, why, parameters = {}, origins = {} }: Layer): ExplainedLayer {
  return { role, why, parameters, origins };
}

function ownLayers(options: GovernOptions, { target, epoch: { number: epoch }, rules }: Compiling): readonly Layer[] {
  // A turn is part of a call that was recorded when it came in; it has something of its own to tell only with a policy.
  if (target.block === 'actors' && target.operation === 'turn' && rules === undefined) return [];
  const { clock, records, appId } = options;
  const recorder = createCallRecorder({ clock, records, appId, target, epoch });
  if (target.block === 'invoke' && target.direction === 'outbound') return outboundLayers(options, target, recorder);
  return [...inboundTrace(options.tracer, target), ...incomingLayers(options, target, recorder)];
}

/** What is ours around what comes in, and around what components do. */
function incomingLayers(options: GovernOptions, target: Target, recorder: CallRecorder): Layer[] {
  if (target.block === 'invoke') return inboundLayers(options, target, recorder);
  if (target.block === 'actors' && target.operation === 'receive') return actorLayers(options, target, recorder);
  return componentLayers(options, target, recorder);
}

function outboundLayers(options: GovernOptions, target: Target, recorder: CallRecorder): Layer[] {
  const { clock, metrics } = options;
  const pair = outboundInvocationMetrics({ metrics, clock, appId: target.name, recorder });
  return [{ role: 'metrics', why: 'outside retries: callers wait for the logical call', pair }];
}

function inboundLayers(options: GovernOptions, target: Target, recorder: CallRecorder): Layer[] {
  const metrics = inboundInvocationMetrics(options.metrics, recorder);
  return [{ role: 'metrics', why: 'counts refusals too', pair: metrics }, ...accessLayers(options, target)];
}

/** Calls that come in for actors obey the same list as invocations: it sees the path that the app sees. */
function actorLayers(options: GovernOptions, target: Target, recorder: CallRecorder): Layer[] {
  return [recordLayer(options, recorder), ...accessLayers(options, target)];
}

function accessLayers(options: GovernOptions, target: Target): Layer[] {
  const list = options.accessControl();
  if (list === undefined) return [];
  const origin = accessOrigin(options.origins);
  return [
    {
      role: 'authorise',
      why: 'before the app is touched, on the same canonical path that dispatch uses',
      parameters: { policies: list.policies.length, otherwise: list.defaultAction, from: `Configuration, ${origin}` },
      pair: accessControl(list, options, {
        decided: countDecisions(options.metrics),
        tell: tellTrail('authorise', stackName(target), { policy: 'Configuration', origin }),
      }),
    },
  ];
}

function recordLayer({ clock }: GovernOptions, recorder: CallRecorder): Layer {
  return { role: 'record', why: 'what happened to calls that are worth telling about', pair: record(recorder, clock) };
}

function accessOrigin(origins: ReadonlyMap<string, string>): string {
  for (const [path, origin] of origins) if (path.startsWith('spec.accessControl')) return origin;
  return 'built in';
}

function countDecisions(metrics: Metrics): DecisionListener {
  // What comes most often comes from one namespace: putting the labels into words again for each call would cost more than the decision.
  const last = new Map<string, { readonly trustDomain: string; readonly namespace: string; readonly counter: Counter }>();
  return ({ allowed, by, trustDomain, namespace }) => {
    const app = allowed ? metricNames.aclAppAllowed : metricNames.aclAppBlocked;
    const global = allowed ? metricNames.aclGlobalAllowed : metricNames.aclGlobalBlocked;
    const name = by === 'app' ? app : global;
    let counted = last.get(name);
    if (counted?.trustDomain !== trustDomain || counted.namespace !== namespace) {
      counted = { trustDomain, namespace, counter: metrics.counter(name, { trustDomain, namespace }) };
      last.set(name, counted);
    }
    counted.counter.add(1);
  };
}

// Which metric pair counts a block's calls; pub/sub counts by itself, because its labels differ per event.
const componentMetricNames: Readonly<Record<string, readonly [count: string, latency: string]>> = {
  state: [metricNames.state, metricNames.stateLatency],
  secrets: [metricNames.secret, metricNames.secretLatency],
  configuration: [metricNames.configuration, metricNames.configurationLatency],
  crypto: [metricNames.crypto, metricNames.cryptoLatency],
  lock: [metricNames.lock, metricNames.lockLatency],
};

function componentLayers(options: GovernOptions, target: Target, recorder: CallRecorder): Layer[] {
  const names =
    target.block === 'bindings'
      ? target.direction === 'inbound'
        ? ([metricNames.inputBinding, metricNames.inputBindingLatency] as const)
        : ([metricNames.outputBinding, metricNames.outputBindingLatency] as const)
      : componentMetricNames[target.block];
  if (names === undefined) return [recordLayer(options, recorder)];
  const [countName, latencyName] = names;
  const labels = { component: target.name, namespace: options.namespace, operation: target.operation };
  return [
    {
      role: 'metrics',
      why: 'what the component costs its callers',
      pair: componentMetrics({ metrics: options.metrics, clock: options.clock, countName, latencyName, labels, recorder }),
    },
  ];
}
