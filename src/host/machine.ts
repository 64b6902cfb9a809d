import type { Engine } from '../contracts/engine.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import { egressOwners } from '../contracts/egress-allow.ts';
import type { HttpClient, HttpClientRequest } from '../contracts/http-client.ts';
import type { HttpEndpoint } from '../contracts/resources.ts';
import type { Endpoint, Registry } from '../contracts/resolver.ts';
import type { ExternalTransport, PeerTransport } from '../contracts/transport.ts';
import type { ActorsBlock } from '../blocks/actors/index.ts';
import type { InvokeBlock } from '../blocks/invoke/index.ts';
import type { CallFields } from './peers/call-fields.ts';
import type { ProxyReceive } from './grpc-proxy.ts';
import type { OutboundClients } from './outbound-client.ts';
import type { Address } from '../kernel/ports.ts';
import type { MachinePeers } from './machine-peers.ts';
import type { Call } from '../kernel/call.ts';
import type { Sharing } from '../wire/mux/hello.ts';
import { valueOf } from '../kernel/context.ts';
import { encodeMethodPath } from '../kernel/method-path.ts';
import { reveal } from '../kernel/secret.ts';
import { traceHeaders, traceKey } from '../kernel/trace-context.ts';

/** An app of this process, as other apps reach it. */
export interface LocalApp {
  readonly invoke: InvokeBlock;
  readonly actors: ActorsBlock;
  readonly proxy: ProxyReceive;
}

/** What the apps of one process share: the machine's engine and registry, one pool of connections, and each other. */
export interface Machine {
  /** Keeps what embedded components store. */
  readonly engine: Engine;
  /** Whether this process tells what its engine counted; false when the first of several processes, with the same engine, does. */
  readonly engineCounted: boolean;
  readonly registry: Registry;
  /** The registry of the database that keeps what the components store: whoever shares it finds the others, on whatever machine. */
  readonly databaseRegistry?: Registry;
  readonly client: HttpClient;
  /** The same connections for servers that YAML and apps name: what their names resolve to is checked. */
  readonly outbound: OutboundClients;
  /** Apps of this process by instance: a call between them costs no socket. */
  readonly local: Map<string, LocalApp>;
  /** Connections to other runtimes, of this machine and of others. */
  readonly peers: MachinePeers;
  /** The socket of a process that serves beside this one and has the runtime of that name; undefined: this one has it, or none. */
  readonly siblings: (instance: string) => Address | undefined;
  /** Which of the processes that serve the same apps this one is; undefined: there is one. */
  readonly sharing?: Sharing | undefined;
}

/** Calls within this process are handed over; others go to the runtime that hosts the target. */
export function createPeerTransport(machine: Machine): PeerTransport {
  return {
    send(endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse> {
      const local = machine.local.get(endpoint.instance);
      if (local !== undefined) return local.invoke.receive(call);
      const peers = machine.peers.links();
      return peers instanceof Promise ? peers.then((loaded) => loaded.invoke(endpoint, call)) : peers.invoke(endpoint, call);
    },
    actor(endpoint, call) {
      const beside = siblingOf(machine, endpoint);
      if (beside !== undefined) return beside.actors.receive(call);
      const local = machine.local.get(endpoint.instance);
      if (local !== undefined) return local.actors.receive(call);
      return Promise.resolve(machine.peers.links()).then((peers) => peers.invoke(endpoint, call, 'actor'));
    },
  };
}

/** The runtime that hosts an actor, when it is in a process beside this one: calls of actors are handed over to it by its own socket. */
export function siblingOf(machine: Machine, { appId, namespace, instance }: Pick<Endpoint, 'appId' | 'namespace' | 'instance'>) {
  const socket = machine.siblings(instance);
  if (socket === undefined) return undefined;
  const endpoint: Endpoint = { appId, namespace, instance, local: socket };
  const receive = async (call: Call<InvokeRequest>): Promise<InvokeResponse> =>
    (await machine.peers.links()).invoke(endpoint, call, 'actor');
  return { actors: { receive } };
}

/** Calls to HTTPEndpoint resources and URLs (Dapr reference 3, 10.6). The endpoint's headers are added; what names the app is removed. */
export function createExternalTransport(outbound: OutboundClients): ExternalTransport {
  return {
    send(endpoint, call) {
      const { input } = call;
      const base = new URL(endpoint.baseUrl);
      const secure = base.protocol === 'https:';
      const prefix = base.pathname.replace(/\/$/, '');
      const own = Object.entries(endpoint.headers).flatMap(([name, value]) => [name.toLowerCase(), reveal(value)]);
      const trace = traceHeaders(valueOf(call.context, traceKey));
      const replaced = new Set([
        ...[...own, ...trace].filter((_, i) => i % 2 === 0),
        'dapr-caller-app-id',
        'dapr-caller-namespace',
        'dapr-callee-app-id',
        'dapr-app-id',
      ]);
      // A URL that stands for an app is its own name.
      const owner = endpoint.name === endpoint.baseUrl ? egressOwners.urls : endpoint.name;
      return outbound(owner).request({
        address: { host: base.hostname, port: Number(base.port || (secure ? 443 : 80)) },
        ...(secure ? { tls: tlsOf(base.hostname, endpoint.tls) } : {}),
        method: input.httpMethod,
        target: `${prefix}/${encodeMethodPath(input.path)}${input.query === '' ? '' : `?${input.query}`}`,
        headers: ['host', base.host, ...withoutNames(input.headers, replaced), ...own, ...trace],
        body: input.body,
        cancel: call.cancel,
      });
    },
  };
}

function tlsOf(serverName: string, { privateKey, ...rest }: NonNullable<HttpEndpoint['tls']> = {}): NonNullable<HttpClientRequest['tls']> {
  return { serverName, ...rest, ...(privateKey === undefined ? {} : { privateKey: privateKey.reveal() }) };
}

function withoutNames(headers: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2)
    if (!names.has(headers[i] as string)) kept.push(headers[i] as string, headers[i + 1] as string);
  return kept;
}

/** What arrives for an app needs of it. */
export type CalledApp = Pick<LocalApp, 'invoke' | 'proxy'> & { readonly actors: Pick<ActorsBlock, 'receive'> };

/** The app that a call means: `local`, or for an actor that another process of this runtime hosts, the app there. */
export function appOf(machine: Machine, call: CallFields, local: LocalApp): CalledApp;
export function appOf(machine: Machine, call: CallFields, local: LocalApp | undefined): CalledApp | undefined;
export function appOf(machine: Machine, call: CallFields, local: LocalApp | undefined): CalledApp | undefined {
  if (local === undefined || call.kind !== 'actor') return local;
  const beside = siblingOf(machine, call);
  return beside === undefined ? local : { ...local, ...beside };
}
