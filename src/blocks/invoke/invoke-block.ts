import type { BlockContext } from '../../contracts/block-context.ts';
import type { AppChannel, InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { eligible, type Endpoint, type Resolver } from '../../contracts/resolver.ts';
import type { HttpEndpoint } from '../../contracts/resources.ts';
import type { ExternalTransport, PeerTransport } from '../../contracts/transport.ts';
import { withInput, type Call } from '../../kernel/call.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import type { InvokeBlock } from './index.ts';
import { stampHeaders } from './stamp-headers.ts';

export interface InvokeDependencies {
  readonly resolver: Resolver;
  readonly peers: PeerTransport;
  readonly external: ExternalTransport;
  /** The own app; undefined when none is connected. */
  readonly channel: () => AppChannel | undefined;
  /** HTTPEndpoint resources by name. */
  readonly httpEndpoints: () => ReadonlyMap<string, HttpEndpoint>;
  /** The address of this host as peers should see it in `X-Forwarded-For`. */
  readonly hostAddress: string;
}

type InvokeService = Service<InvokeRequest, InvokeResponse>;

// A target seldom used costs a compiled stack; beyond this many the oldest is compiled again when it is next called.
const targetsMax = 10_000;

/** Builds the block. One stack is compiled per target app and kept; a call looks up one map and, when the target is known, is sent in the same turn. */
export function createInvokeBlock(context: BlockContext, dependencies: InvokeDependencies): InvokeBlock {
  const targets = new Map<string, InvokeService>();
  const places = new Places(dependencies.resolver);
  const received = context.govern(
    { block: 'invoke', name: context.appId, operation: 'receive', direction: 'inbound' },
    receive(context, dependencies),
  );

  const compile = (appId: string): InvokeService => {
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
    if (channel !== undefined) return channel.invoke(call);
    call.input.body.discard();
    return Promise.reject(
      new ProaError('invoke.unreachable', `no app is connected to the runtime of "${context.appId}"`, {
        hint: 'give the port on which the app listens with --app-port',
      }),
    );
  };
}

/** The instances of an app, and whose turn it is: round robin; peak-EWMA and the other balancers belong to the mesh. */
interface Instances {
  readonly list: readonly Endpoint[];
  next: number;
}

/** Where apps are, as of the last question; forgotten when the resolver says that a name's endpoints are others now. */
class Places {
  readonly #known = new Map<string, Instances>();
  readonly #resolver: Resolver;
  readonly #stop: () => void;
  /** Rises with every change: what was remembered under a lower one has to be asked for again. */
  changes = 0;

  constructor(resolver: Resolver) {
    this.#resolver = resolver;
    this.#stop = resolver.onChange((appId, namespace) => {
      this.changes++;
      this.#known.delete(`${namespace}\0${appId}`);
    });
  }

  known(name: string, namespace: string): Instances | undefined {
    return this.#known.get(`${namespace}\0${name}`);
  }

  /** Fails with `invoke.failed` when there are none. */
  async find(name: string, namespace: string): Promise<Instances> {
    const list = eligible((await this.#resolver.resolve(name, namespace)).endpoints);
    if (list.length === 0) {
      throw new ProaError('invoke.failed', `no instance of app "${name}" is known in namespace "${namespace}"`, {
        hint: 'is it running? `proa list` shows the apps that are',
      });
    }
    const found = { list, next: 0 };
    this.#known.set(`${namespace}\0${name}`, found);
    return found;
  }

  close(): void {
    this.#stop();
  }
}

function pick(instances: Instances): Endpoint {
  const { list, next } = instances;
  instances.next = next + 1 < list.length ? next + 1 : 0;
  return list[next] as Endpoint;
}

// What a call does not change (where the target is, which text names it) is found once per target and change, not once per call.
function send(context: BlockContext, dependencies: InvokeDependencies, target: { appId: string; places: Places }): InvokeService {
  const { appId, places } = target;
  const [name, namespace] = splitAppId(appId, context.namespace);
  let instances: Instances | undefined;
  let seenChanges = -1;
  return (call) => {
    const external = externalTarget(appId, dependencies.httpEndpoints());
    if (external !== undefined) return failing(appId, dependencies.external.send(external, call));
    if (instances === undefined || seenChanges !== places.changes) {
      seenChanges = places.changes;
      instances = places.known(name, namespace);
    }
    if (instances !== undefined) return failing(appId, sendTo(context, dependencies, call, pick(instances)));
    return failing(
      appId,
      places.find(name, namespace).then(
        (found) => sendTo(context, dependencies, call, pick(found)),
        (error: unknown) => {
          call.input.body.discard();
          throw error;
        },
      ),
    );
  };
}

function sendTo(
  context: BlockContext,
  dependencies: InvokeDependencies,
  call: Call<InvokeRequest>,
  endpoint: Endpoint,
): Promise<InvokeResponse> {
  const { input } = call;
  const self = endpoint.appId === context.appId && endpoint.namespace === context.namespace;
  const forwarded = self ? undefined : { address: dependencies.hostAddress, host: context.ports.process.hostName() };
  const leftMs = call.deadlineMs === Infinity ? undefined : call.deadlineMs - context.ports.clock.mono();
  const headers = stampHeaders(input.headers, call.context, { caller: call.caller, calleeAppId: endpoint.appId, leftMs, forwarded });
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

// Dapr's text around every failed invocation; denials keep their own.
function failing(appId: string, answer: Promise<InvokeResponse>): Promise<InvokeResponse> {
  return answer.catch((thrown: unknown) => {
    const error = ProaError.from(thrown, 'invoke.failed');
    if (isProaError(thrown) && (error.code === 'invoke.denied' || error.spec.errorCode !== 'ERR_DIRECT_INVOKE')) {
      if (error.code === 'invoke.denied' || error.code === 'cancelled' || error.code === 'deadline-exceeded') throw error;
    }
    const code =
      error.code === 'unavailable' ? 'invoke.unreachable' : error.spec.errorCode === 'ERR_DIRECT_INVOKE' ? error.code : 'invoke.failed';
    throw new ProaError(code, `failed to invoke, id: ${appId}, err: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  });
}

/** `app.namespace` names an app of another namespace. */
function splitAppId(appId: string, ownNamespace: string): readonly [string, string] {
  const dot = appId.lastIndexOf('.');
  return dot > 0 && dot < appId.length - 1 ? [appId.slice(0, dot), appId.slice(dot + 1)] : [appId, ownNamespace];
}

function externalTarget(appId: string, endpoints: ReadonlyMap<string, HttpEndpoint>): HttpEndpoint | undefined {
  const named = endpoints.size === 0 ? undefined : endpoints.get(appId);
  if (named !== undefined) return named;
  return appId.startsWith('http') && /^https?:\/\//.test(appId) ? { name: appId, baseUrl: appId, headers: {} } : undefined;
}
