import type { Engine } from '../contracts/engine.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import { egressOwners } from '../contracts/egress-allow.ts';
import type { HttpClient, HttpClientRequest } from '../contracts/http-client.ts';
import type { HttpEndpoint } from '../contracts/resources.ts';
import type { Endpoint, Registry } from '../contracts/resolver.ts';
import type { ExternalTransport, PeerTransport } from '../contracts/transport.ts';
import type { ActorsBlock } from '../blocks/actors/index.ts';
import type { InvokeBlock } from '../blocks/invoke/index.ts';
import type { ProxyReceive } from './grpc-proxy.ts';
import type { OutboundClients } from './outbound-client.ts';
import type { MachinePeers } from './machine-peers.ts';
import type { Call } from '../kernel/call.ts';
import { encodeMethodPath } from '../kernel/method-path.ts';
import { reveal } from '../kernel/secret.ts';

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
      const local = machine.local.get(endpoint.instance);
      if (local !== undefined) return local.actors.receive(call);
      return Promise.resolve(machine.peers.links()).then((peers) => peers.invoke(endpoint, call, 'actor'));
    },
  };
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
      const replaced = new Set([
        ...own.filter((_, i) => i % 2 === 0),
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
        headers: ['host', base.host, ...withoutNames(input.headers, replaced), ...own],
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
