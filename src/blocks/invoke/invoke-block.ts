import type { BlockContext } from '../../contracts/block-context.ts';
import type { AppChannel, InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { BalanceTarget, EndpointBalancer } from '../../contracts/balancing.ts';
import type { Endpoint, Resolver } from '../../contracts/resolver.ts';
import type { HttpEndpoint } from '../../contracts/resources.ts';
import type { ExternalTransport, PeerTransport } from '../../contracts/transport.ts';
import { splitAppName } from '../../kernel/app-name.ts';
import { closest } from '../../kernel/closest.ts';
import { withInput, type Call } from '../../kernel/call.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import { ownText } from '../../kernel/flat-text.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { Service } from '../../kernel/service.ts';
import { sendAttempt } from '../../kernel/trail.ts';
import type { InvokeBlock } from './index.ts';
import { stampHeaders, type Stamp } from '../../contracts/stamp-headers.ts';
import { ListMemo } from '../../kernel/list-memo.ts';

export interface InvokeDependencies {
  readonly resolver: Resolver;
  /** What is announced on this machine, for guesses at which app was meant; absent: nobody guesses. */
  readonly announced?: () => Promise<readonly Endpoint[]>;
  readonly balance: BalanceTarget;
  readonly peers: Pick<PeerTransport, 'send'>;
  readonly external: ExternalTransport;
  /** The own app; undefined when none is connected. */
  readonly channel: () => AppChannel | undefined;
  /** True: the health check of the own app says that it cannot work; absent: there is none. */
  readonly unhealthy?: () => boolean;
  /** HTTPEndpoint resources by name. */
  readonly httpEndpoints: () => ReadonlyMap<string, HttpEndpoint>;
  /** The address of this host as peers should see it in `X-Forwarded-For`. */
  readonly hostAddress: string;
}

type InvokeService = Service<InvokeRequest, InvokeResponse>;

// A target seldom used costs a compiled stack; beyond this many the oldest is compiled again when it is next called.
const targetsMax = 10_000;
/** How long a list of what is announced is good enough to guess with. */
const listedMs = 5_000;

/** Builds the block. One stack is compiled per target app and kept; a call looks up one map and, when the target is known, is sent in the same turn. */
export function createInvokeBlock(context: BlockContext, dependencies: InvokeDependencies): InvokeBlock {
  const targets = new Map<string, InvokeService>();
  const places = new Places(dependencies, context.ports.clock);
  const received = context.govern(
    { block: 'invoke', name: context.appId, operation: 'receive', direction: 'inbound' },
    receive(context, dependencies),
  );

  const compile = (named: string): InvokeService => {
    // Cut out of the first request that named it.
    const appId = ownText(named);
    const target = { block: 'invoke', name: appId, operation: 'call', direction: 'outbound' } as const;
    const service = context.govern(target, send(context, dependencies, { appId, places }));
    if (targets.size >= targetsMax) targets.delete(targets.keys().next().value as string);
    targets.set(appId, service);
    return service;
  };

  return {
    call: (call) => (targets.get(call.input.appId) ?? compile(call.input.appId))(call),
    receive: received,
    close: () => {
      places.close();
      return Promise.resolve();
    },
  };
}

function receive(context: BlockContext, dependencies: InvokeDependencies): InvokeService {
  return (call) => {
    const channel = dependencies.channel();
    const unhealthy = dependencies.unhealthy?.() === true;
    if (channel !== undefined && !unhealthy) return channel.invoke(call);
    call.input.body.discard();
    if (unhealthy) return Promise.reject(new ProaError('invoke.failed', `the app "${context.appId}" is not in a healthy state`));
    return Promise.reject(
      new ProaError('invoke.unreachable', `no app is connected to the runtime of "${context.appId}"`, {
        hint: 'give the port on which the app listens with --app-port',
      }),
    );
  };
}

/** The instances of an app. What was learnt about them outlives a change of their list. */
interface Instances {
  readonly balancer: EndpointBalancer;
  /** False: the list has changed since it was asked for. */
  current: boolean;
}

type PlaceSources = Pick<InvokeDependencies, 'resolver' | 'announced' | 'balance'>;

/** Where apps are, as of the last question; asked again when the resolver says that a name's endpoints are others now. */
class Places {
  readonly #known = new Map<string, Instances>();
  readonly #dependencies: PlaceSources;
  readonly #clock: Clock;
  readonly #stop: () => void;
  #listed: { readonly atMs: number; readonly all: Promise<readonly Endpoint[]> } | undefined;
  /** Rises with every change: what was remembered under a lower one has to be asked for again. */
  changes = 0;

  constructor(dependencies: PlaceSources, clock: Clock) {
    this.#dependencies = dependencies;
    this.#clock = clock;
    this.#stop = dependencies.resolver.onChange((appId, namespace) => {
      this.changes++;
      const instances = this.#known.get(`${namespace}\0${appId}`);
      if (instances !== undefined) instances.current = false;
    });
  }

  known(name: string, namespace: string): EndpointBalancer | undefined {
    const instances = this.#known.get(`${namespace}\0${name}`);
    return instances?.current === true ? instances.balancer : undefined;
  }

  /** Fails with `invoke.failed` when there are none. */
  async find(name: string, namespace: string): Promise<EndpointBalancer> {
    const { resolver, balance } = this.#dependencies;
    const { endpoints } = await resolver.resolve(name, namespace);
    const key = `${namespace}\0${name}`;
    if (endpoints.length === 0) {
      this.#known.delete(key);
      throw await this.#unknown(name, namespace);
    }
    const instances = this.#known.get(key) ?? { balancer: balance(name, namespace), current: true };
    instances.current = true;
    instances.balancer.update(endpoints);
    if (this.#known.size >= targetsMax) this.#known.delete(this.#known.keys().next().value as string);
    this.#known.set(key, instances);
    return instances.balancer;
  }

  close(): void {
    this.#stop();
  }

  async #unknown(name: string, namespace: string): Promise<ProaError> {
    const all = await this.#announced();
    const others = all.filter((endpoint) => endpoint.namespace === namespace).map(({ appId }) => appId);
    const guess = closest(name, others);
    return new ProaError('invoke.failed', `no instance of app "${name}" is known in namespace "${namespace}"`, {
      hint: guess === undefined ? 'is it running? `proa list` shows the apps that are' : `did you mean ${guess}?`,
    });
  }

  // Calls of an app that is not there come again and again; the list that only helps to guess is not asked for with each of them.
  #announced(): Promise<readonly Endpoint[]> {
    const nowMs = this.#clock.mono();
    if (this.#listed === undefined || nowMs - this.#listed.atMs > listedMs) {
      const all = this.#dependencies.announced?.() ?? Promise.resolve([]);
      this.#listed = { atMs: nowMs, all: all.catch((): readonly Endpoint[] => []) };
    }
    return this.#listed.all;
  }
}

// What a call does not change (where the target is, which text names it) is found once per target and change, not once per call.
function send(context: BlockContext, dependencies: InvokeDependencies, target: { appId: string; places: Places }): InvokeService {
  const { appId, places } = target;
  const { appId: name, namespace = context.namespace } = splitAppName(appId);
  const stamps = new Stamps();
  const to = (endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse> =>
    sendTo({ context, dependencies, stamps }, call, endpoint);
  const sendFound: InvokeService = (call) =>
    places.find(name, namespace).then(
      (found) => found.send(call, to),
      (error: unknown) => {
        call.input.body.discard();
        throw error;
      },
    );
  const failed = failure(appId);
  let balancer: EndpointBalancer | undefined;
  let seenChanges = -1;
  return (call) => {
    const { passed } = call.input;
    const external = externalTarget(appId, dependencies.httpEndpoints());
    if (external !== undefined && passed !== undefined)
      return Promise.reject(
        new ProaError('unimplemented', `"${appId}" is an HTTP endpoint: calls of unknown gRPC services reach apps only`),
      );
    if (external !== undefined) return dependencies.external.send(external, call).catch(failed);
    if (balancer === undefined || seenChanges !== places.changes) {
      seenChanges = places.changes;
      balancer = places.known(name, namespace);
    }
    const answer = balancer === undefined ? sendFound(call) : balancer.send(call, to);
    // Whoever passes a stream on gets its errors as they are: they become its status.
    return passed === undefined ? answer.catch(failed) : answer;
  };
}

/** The stamped headers of one target's calls: those of one caller with the same headers, and no deadline, are the same list. */
class Stamps {
  #of: Omit<Stamp, 'leftMs'> | undefined = undefined;
  #lists = new ListMemo((headers) => headers);

  headers(headers: readonly string[], stamp: Stamp): readonly string[] {
    if (stamp.leftMs !== undefined) return stampHeaders(headers, stamp);
    const of = this.#of;
    if (of === undefined || !alike(of, stamp)) {
      this.#of = stamp;
      this.#lists = new ListMemo((list) => stampHeaders(list, stamp));
    }
    return this.#lists.of(headers);
  }
}

function alike(one: Omit<Stamp, 'leftMs'>, other: Omit<Stamp, 'leftMs'>): boolean {
  return (
    one.caller.appId === other.caller.appId &&
    one.caller.namespace === other.caller.namespace &&
    one.calleeAppId === other.calleeAppId &&
    one.forwarded?.address === other.forwarded?.address &&
    one.forwarded?.host === other.forwarded?.host
  );
}

interface Sender {
  readonly context: BlockContext;
  readonly dependencies: InvokeDependencies;
  readonly stamps: Stamps;
}

function sendTo({ context, dependencies, stamps }: Sender, call: Call<InvokeRequest>, endpoint: Endpoint): Promise<InvokeResponse> {
  const { input } = call;
  call.end.place = endpoint;
  if (call.end.trail !== undefined) sendAttempt(call, endpoint, context.ports.clock.mono());
  if (input.passed !== undefined) return input.passed.send(endpoint, call);
  const self = endpoint.appId === context.appId && endpoint.namespace === context.namespace;
  const forwarded = self ? undefined : { address: dependencies.hostAddress, host: context.ports.process.hostName() };
  const leftMs = call.deadlineMs === Infinity ? undefined : call.deadlineMs - context.ports.clock.mono();
  const headers = stamps.headers(input.headers, { caller: call.caller, calleeAppId: endpoint.appId, leftMs, forwarded });
  const stamped: InvokeRequest = {
    appId: endpoint.appId,
    namespace: endpoint.namespace,
    httpMethod: input.httpMethod,
    path: input.path,
    query: input.query,
    headers,
    body: input.body,
    replayable: input.replayable,
  };
  return dependencies.peers.send(endpoint, withInput(call, stamped));
}

// What says more than that the invocation failed: refusals, limits, time.
const passing: ReadonlySet<string> = new Set(['invoke.denied', 'cancelled', 'deadline-exceeded', 'circuit-open', 'overloaded', 'shed']);

/** Throws what failed, in Dapr's text around every failed invocation. */
function failure(appId: string): (thrown: unknown) => never {
  return (thrown) => {
    const error = ProaError.from(thrown, 'invoke.failed');
    if (isProaError(thrown) && passing.has(error.code)) throw error;
    const code =
      error.code === 'unavailable' ? 'invoke.unreachable' : error.spec.errorCode === 'ERR_DIRECT_INVOKE' ? error.code : 'invoke.failed';
    throw new ProaError(code, `failed to invoke, id: ${appId}, err: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      refusedAt: error.refusedAt,
    });
  };
}

function externalTarget(appId: string, endpoints: ReadonlyMap<string, HttpEndpoint>): HttpEndpoint | undefined {
  const named = endpoints.size === 0 ? undefined : endpoints.get(appId);
  if (named !== undefined) return named;
  return appId.startsWith('http') && /^https?:\/\//.test(appId) ? { name: appId, baseUrl: appId, headers: {} } : undefined;
}
