import type { Engine } from '../contracts/engine.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { HttpClient, HttpClientRequest } from '../contracts/http-client.ts';
import type { HttpEndpoint } from '../contracts/resources.ts';
import type { Endpoint, Registry } from '../contracts/resolver.ts';
import type { ExternalTransport, PeerTransport } from '../contracts/transport.ts';
import type { InvokeBlock } from '../blocks/invoke/index.ts';
import type { GrpcClient } from '../wire/grpc/client.ts';
import type { ProxyReceive } from './grpc-proxy.ts';
import type { Call } from '../kernel/call.ts';
import { collect } from '../kernel/body.ts';
import { catalogue, type ErrorCode } from '../kernel/catalogue.ts';
import { ProaError } from '../kernel/errors.ts';
import { encodeMethodPath } from '../kernel/method-path.ts';
import { reveal } from '../kernel/secret.ts';

/** An app of this process, as other apps reach it. */
export interface LocalApp {
  readonly invoke: InvokeBlock;
  readonly proxy: ProxyReceive;
}

/** What the apps of one process share: the machine's engine and registry, one pool of connections, and each other. */
export interface Machine {
  readonly engine: Engine;
  readonly registry: Registry;
  readonly client: HttpClient;
  /** The same connections for servers that YAML and apps name: what their names resolve to is checked. */
  readonly outbound: HttpClient;
  /** Apps of this process by instance: a call between them costs no socket. */
  readonly local: Map<string, LocalApp>;
  /** Connections to the gRPC sockets of other runtimes of this machine. */
  readonly grpcPeers: Map<string, GrpcClient>;
}

/** Header under which a peer socket carries the calling app; only processes of the same user can connect there (0600). */
export const peerHeaders = {
  callerAppId: 'dapr-caller-app-id',
  callerNamespace: 'dapr-caller-namespace',
  target: 'dapr-callee-app-id',
} as const;

/** Why a call cannot go to an endpoint that has no socket on this machine. */
export function elsewhere(endpoint: Endpoint): ProaError {
  return new ProaError('invoke.unreachable', `app "${endpoint.appId}" runs on another machine, and this runtime has no connection to it`);
}

/** Calls within this process are handed over; others go to the peer socket of the runtime that hosts the target. */
export function createPeerTransport(machine: Machine): PeerTransport {
  return {
    send(endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse> {
      const local = machine.local.get(endpoint.instance);
      if (local !== undefined) return local.invoke.receive(call);
      const { http: address } = endpoint;
      if (address === undefined) return Promise.reject(elsewhere(endpoint));
      const { input } = call;
      return machine.client
        .request({
          address,
          method: input.httpMethod,
          target: `/${encodeMethodPath(input.path)}${input.query === '' ? '' : `?${input.query}`}`,
          headers: ['host', 'peer', 'x-proa-instance', endpoint.instance, ...input.headers],
          body: input.body,
          cancel: call.cancel,
        })
        .then(unlessPeerError)
        .catch((thrown: unknown) => {
          const error = ProaError.from(thrown, 'invoke.failed');
          if (error.code !== 'unavailable') throw error;
          throw new ProaError('invoke.unreachable', `the runtime of app "${endpoint.appId}" cannot be reached: ${error.message}`, {
            cause: error,
          });
        });
    },
  };
}

// A failure of the peer's runtime, not of its app: it comes back as the error that it was there.
async function unlessPeerError(answer: InvokeResponse): Promise<InvokeResponse> {
  const at = answer.headers.findIndex((name, i) => i % 2 === 0 && name === 'x-proa-error');
  if (at < 0) return answer;
  const code = answer.headers[at + 1] as string;
  const message = Buffer.from(await collect(answer.body, 64 * 1024)).toString('utf8');
  const after = answer.headers.findIndex((name, i) => i % 2 === 0 && name === 'x-proa-retry-after-ms');
  const details = after < 0 ? {} : { details: { metadata: { retryAfterMs: answer.headers[after + 1] as string } } };
  throw new ProaError(code in catalogue ? (code as ErrorCode) : 'invoke.failed', message, details);
}

/** Calls to HTTPEndpoint resources and URLs (Dapr reference 3, 10.6). The endpoint's headers are added; what names the app is removed. */
export function createExternalTransport(client: HttpClient): ExternalTransport {
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
      return client.request({
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

/** A call as it arrived on the peer socket, given to the block of the instance that it names. */
export function receiveFromPeer(machine: Machine, instance: string, call: Call<InvokeRequest>): Promise<InvokeResponse> {
  const local = machine.local.get(instance);
  if (local !== undefined) return local.invoke.receive(call);
  call.input.body.discard();
  return Promise.reject(new ProaError('invoke.unreachable', 'this runtime does not host that instance any more'));
}
