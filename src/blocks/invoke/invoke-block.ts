import type { BlockContext } from '../../contracts/block-context.ts';
import type { AppChannel, InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import { eligible, type Endpoint, type Resolver } from '../../contracts/resolver.ts';
import type { HttpEndpoint } from '../../contracts/resources.ts';
import type { ExternalTransport, PeerTransport } from '../../contracts/transport.ts';
import { derive, type Call } from '../../kernel/call.ts';
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
  const endpoints = new Map<string, { list: readonly Endpoint[]; next: number }>();
  const stopListening = dependencies.resolver.onChange((appId, namespace) => endpoints.delete(`${namespace}\0${appId}`));
  const received = context.govern(
    { block: 'invoke', name: context.appId, operation: 'receive', direction: 'inbound' },
    receive(context, dependencies),
  );

  const compile = (appId: string): InvokeService => {
    const target = { block: 'invoke', name: appId, operation: 'call', direction: 'outbound' } as const;
    const service = context.govern(target, send(context, dependencies, endpoints));
    if (targets.size >= targetsMax) targets.delete(targets.keys().next().value as string);
    targets.set(appId, service);
    return service;
  };

  return {
    call: (call) => (targets.get(call.input.appId) ?? compile(call.input.appId))(call),
    receive: received,
    close: () => {
      stopListening();
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

type EndpointCache = Map<string, { list: readonly Endpoint[]; next: number }>;

function send(context: BlockContext, dependencies: InvokeDependencies, cache: EndpointCache): InvokeService {
  return (call) => {
    const { appId } = call.input;
    const external = externalTarget(appId, dependencies.httpEndpoints());
    if (external !== undefined) return failing(appId, dependencies.external.send(external, call));
    const [name, namespace] = splitAppId(appId, context.namespace);
    const known = cache.get(`${namespace}\0${name}`);
    if (known !== undefined) return failing(appId, sendTo(context, dependencies, call, pick(known)));
    return failing(appId, resolveAndSend(context, dependencies, cache, { call, name, namespace }));
  };
}

interface Unresolved {
  readonly call: Call<InvokeRequest>;
  readonly name: string;
  readonly namespace: string;
}

async function resolveAndSend(
  context: BlockContext,
  dependencies: InvokeDependencies,
  cache: EndpointCache,
  { call, name, namespace }: Unresolved,
): Promise<InvokeResponse> {
  const list = eligible((await dependencies.resolver.resolve(name, namespace)).endpoints);
  if (list.length === 0) {
    call.input.body.discard();
    throw new ProaError('invoke.failed', `no instance of app "${name}" is known in namespace "${namespace}"`, {
      hint: 'is it running? `proa list` shows the apps that are',
    });
  }
  const entry = { list, next: 0 };
  cache.set(`${namespace}\0${name}`, entry);
  return sendTo(context, dependencies, call, pick(entry));
}

// Round robin among the instances; peak-EWMA and the other balancers belong to the mesh.
function pick(entry: { list: readonly Endpoint[]; next: number }): Endpoint {
  const endpoint = entry.list[entry.next % entry.list.length] as Endpoint;
  entry.next = (entry.next + 1) % entry.list.length;
  return endpoint;
}

function sendTo(
  context: BlockContext,
  dependencies: InvokeDependencies,
  call: Call<InvokeRequest>,
  endpoint: Endpoint,
): Promise<InvokeResponse> {
  const { input } = call;
  const self = endpoint.appId === context.appId && endpoint.namespace === context.namespace;
  const headers = stampHeaders(input.headers, call.context, {
    caller: call.caller,
    calleeAppId: endpoint.appId,
    ...(call.deadlineMs === Infinity ? {} : { leftMs: call.deadlineMs - context.ports.clock.mono() }),
    ...(self ? {} : { forwarded: { address: dependencies.hostAddress, host: context.ports.process.hostName() } }),
  });
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
  return dependencies.peers.send(endpoint, derive(call, { input: stamped }));
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
  const named = endpoints.get(appId);
  if (named !== undefined) return named;
  return /^https?:\/\//.test(appId) ? { name: appId, baseUrl: appId, headers: {} } : undefined;
}
