import type { Govern } from '../contracts/governance.ts';
import { eligible } from '../contracts/resolver.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { GrpcAppChannel } from '../fronts/app/grpc-channel.ts';
import { emptyBody } from '../kernel/body.ts';
import { createCall, type Call, type Caller } from '../kernel/call.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Ports } from '../kernel/ports.ts';
import { createGrpcClient, type GrpcClient } from '../wire/grpc/client.ts';
import type { HeaderList, Http2Stream, Http2StreamHandlers } from '../wire/http2/http2.ts';
import { headerValue } from '../wire/grpc/metadata.ts';
import { proxyStream } from '../wire/grpc/proxy.ts';
import { createGrpcServer } from '../wire/grpc/server.ts';
import { http2Transport } from '../wire/http2/transport.ts';
import type { Address } from '../kernel/ports.ts';
import type { ConnectionServer } from './lazy-listener.ts';
import { elsewhere, type Machine } from './machine.ts';

/** Opens a stream of a proxied call towards an app; fails when access control denies it or the app cannot be reached. */
export type ProxyReceive = (headers: HeaderList, caller: Caller, handlers: Http2StreamHandlers) => Promise<Http2Stream>;

const operation = { block: 'invoke', name: 'proxy', idempotent: false } as const;
const stamped = new Set([
  'dapr-app-id',
  'dapr-api-token',
  'dapr-caller-app-id',
  'dapr-caller-namespace',
  'dapr-callee-app-id',
  'x-proa-instance',
  'connection',
  'te',
]);

/** The receiving side: calls of unknown services reach the own gRPC app, behind the same access control as invocations. */
export function createProxyReceive(parts: {
  readonly govern: Govern;
  readonly appId: string;
  readonly namespace: string;
  readonly channel: () => GrpcAppChannel | undefined;
}): ProxyReceive {
  const { govern, appId, namespace, channel } = parts;
  const admitted = new WeakMap<Call<InvokeRequest>, { headers: HeaderList; handlers: Http2StreamHandlers }>();
  const opened = new WeakMap<InvokeResponse, Http2Stream>();
  const service = govern<InvokeRequest, InvokeResponse>(
    { block: 'invoke', name: appId, operation: 'proxy', direction: 'inbound' },
    async (call) => {
      const app = channel();
      if (app === undefined) throw new ProaError('invoke.unreachable', `app "${appId}" does not speak gRPC, or is not connected`);
      const { headers, handlers } = admitted.get(call) as { headers: HeaderList; handlers: Http2StreamHandlers };
      const response: InvokeResponse = { status: 200, headers: [], body: emptyBody };
      opened.set(response, await app.client.raw(headers, handlers));
      return response;
    },
  );
  return async (headers, caller, handlers) => {
    const path = headerValue(headers, ':path') ?? '';
    const input = { appId, namespace, httpMethod: 'POST', path: path.slice(1), query: '', headers: [], body: emptyBody, replayable: false };
    const call = createCall<InvokeRequest>(operation, input, { caller });
    const restamped = [
      ...withoutStamps(headers),
      'te',
      'trailers',
      'dapr-caller-app-id',
      caller.appId,
      'dapr-caller-namespace',
      caller.namespace,
      'dapr-callee-app-id',
      appId,
    ];
    const watched: Http2StreamHandlers = {
      ...handlers,
      close(code) {
        call.end.fire({ ok: code === 0 });
        handlers.close(code);
      },
    };
    admitted.set(call, { headers: restamped, handlers: watched });
    const answer = await service(call);
    const stream = opened.get(answer);
    if (stream !== undefined) return stream;
    // A fault or a fallback: what it says in HTTP terms cannot take the place of a stream.
    call.end.fire({ ok: false, status: answer.status });
    throw new ProaError('unavailable', `a policy answered with status ${answer.status} in place of app "${appId}"`);
  };
}

/** The calling side: an unknown service with the metadata `dapr-app-id` goes to that app (Dapr reference 7.7). */
export function createProxy(
  ports: Pick<Ports, 'clock' | 'random' | 'network' | 'process'>,
  machine: Machine,
  caller: Caller,
): (stream: Http2Stream, headers: HeaderList) => Http2StreamHandlers | undefined {
  return (stream, headers) => {
    const target = headerValue(headers, 'dapr-app-id') ?? headerValue(headers, 'dapr-callee-app-id');
    if (target === undefined || target === '') return undefined;
    return proxyStream(stream, {
      clock: ports.clock,
      headers,
      client: {
        raw: async (_headers, handlers) => {
          const endpoints = eligible((await machine.registry.resolve(target, caller.namespace)).endpoints);
          const endpoint = endpoints[ports.random.u32() % Math.max(1, endpoints.length)];
          if (endpoint === undefined)
            throw new ProaError('invoke.unreachable', `no instance of app "${target}" is known in namespace "${caller.namespace}"`);
          const local = machine.local.get(endpoint.instance);
          if (local !== undefined) return local.proxy(headers, caller, handlers);
          const peer = [
            ...withoutStamps(headers),
            'te',
            'trailers',
            'x-proa-instance',
            endpoint.instance,
            'dapr-caller-app-id',
            caller.appId,
            'dapr-caller-namespace',
            caller.namespace,
          ];
          if (endpoint.grpc === undefined) throw elsewhere(endpoint);
          return peerClient(ports, machine, endpoint.grpc).raw(peer, handlers);
        },
      },
    });
  };
}

function peerClient(ports: Pick<Ports, 'clock' | 'random' | 'network' | 'process'>, machine: Machine, address: Address): GrpcClient {
  const id = JSON.stringify(address);
  let client = machine.grpcPeers.get(id);
  if (client === undefined) {
    client = createGrpcClient({ clock: ports.clock, random: ports.random, transport: http2Transport(ports), address });
    machine.grpcPeers.set(id, client);
  }
  return client;
}

/** Takes proxied calls from other runtimes of this machine; like the HTTP peer socket it believes who calls. */
export async function createGrpcPeerServer(
  ports: Pick<Ports, 'clock' | 'network' | 'process'>,
  machine: Machine,
): Promise<ConnectionServer> {
  const server = await createGrpcServer({
    clock: ports.clock,
    transport: http2Transport(ports),
    methods: [],
    onUnknown(stream, headers) {
      const local = machine.local.get(headerValue(headers, 'x-proa-instance') ?? '');
      if (local === undefined) throw new ProaError('invoke.unreachable', 'this runtime does not host that instance any more');
      const caller = {
        appId: headerValue(headers, 'dapr-caller-app-id') ?? '',
        namespace: headerValue(headers, 'dapr-caller-namespace') ?? '',
      };
      return proxyStream(stream, {
        clock: ports.clock,
        headers,
        client: { raw: (_headers, handlers) => local.proxy(headers, caller, handlers) },
      });
    },
  });
  return { accept: (connection, first) => server.accept(connection, first), drain: () => server.close(0) };
}

function withoutStamps(headers: HeaderList): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    if (!stamped.has(name) && name !== ':scheme') kept.push(name, headers[i + 1] as string);
  }
  return kept;
}
