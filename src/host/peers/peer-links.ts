import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
import type { Endpoint } from '../../contracts/resolver.ts';
import type { Call, Caller } from '../../kernel/call.ts';
import { valueOf } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { encodeMethodPath } from '../../kernel/method-path.ts';
import type { Address, Ports } from '../../kernel/ports.ts';
import { TextMemo } from '../../kernel/text-memo.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import type { HeaderList, Http2Stream, Http2StreamHandlers } from '../../wire/http2/http2.ts';
import { createMuxClient, type MuxClient, type MuxHandlers } from '../../wire/mux/client.ts';
import type { Fields } from '../../wire/mux/fields-writer.ts';
import type { OpenHttp2Stream } from '../../wire/mux/http2-stream.ts';
import { machineLimits } from '../../wire/mux/limits.ts';
import type { Incoming } from '../../wire/mux/stream.ts';
import { callFields, InvokeFields } from './call-fields.ts';
import { answerOf } from './known-answer.ts';
import type { Mesh } from './mesh.ts';

export interface PeerLinksOptions {
  readonly ports: Pick<Ports, 'network' | 'clock' | 'random'>;
  /** The place in the mesh of an app of this process; opened when it first calls another machine. */
  mesh(caller: Caller): Promise<Mesh>;
}

/** A gRPC call that is passed on to another runtime. */
export interface PassedCall {
  readonly headers: HeaderList;
  readonly caller: Caller;
  readonly handlers: Http2StreamHandlers;
}

/** The connections of this process to other runtimes. */
export interface PeerLinks {
  /** `actor`: a call of an actor that the endpoint hosts. */
  invoke(endpoint: Endpoint, call: Call<InvokeRequest>, kind?: 'invoke' | 'actor'): Promise<InvokeResponse>;
  grpc(endpoint: Endpoint, call: PassedCall): Http2Stream | Promise<Http2Stream>;
  close(): Promise<void>;
}

/** Peers with a connection at once; of more, one without calls is closed. */
const peersMax = 4096;

// Loaded with the first call of gRPC.
let openStream: OpenHttp2Stream | undefined;

async function loadOpenStream(): Promise<OpenHttp2Stream> {
  openStream = (await import('../../wire/mux/http2-stream.ts')).openHttp2Stream;
  return openStream;
}

/** Under which name the connections of an app to an endpoint are kept. Endpoints are the same objects from call to call. */
class RemoteIds {
  readonly #known = new WeakMap<Endpoint, { readonly caller: Caller; readonly id: string }>();

  of(endpoint: Endpoint & { mesh: Address }, caller: Caller): string {
    const known = this.#known.get(endpoint);
    if (known !== undefined && known.caller.appId === caller.appId && known.caller.namespace === caller.namespace) return known.id;
    const { mesh: address, appId, namespace } = endpoint;
    const at = 'path' in address ? address.path : `${address.host} ${address.port}`;
    const id = `${caller.namespace}/${caller.appId} ${namespace}/${appId} ${at}`;
    this.#known.set(endpoint, { caller, id });
    return id;
  }
}

/** Opens connections as they are needed: over the socket of this machine without TLS, to other machines as the calling app, with its certificate. */
export function createPeerLinks(options: PeerLinksOptions): PeerLinks {
  const clients = new Map<string, MuxClient | Promise<MuxClient>>();
  const renewals = new Map<MuxClient, () => void>();
  const { ports } = options;
  const encoded = new TextMemo(encodeMethodPath);
  const ids = new RemoteIds();
  const invokeFields = new InvokeFields();
  let closed = false;

  const drop = (client: MuxClient): void => {
    renewals.get(client)?.();
    renewals.delete(client);
    client.close();
  };
  const keep = (id: string, client: MuxClient | Promise<MuxClient>): typeof client => {
    if (clients.size >= peersMax) makeRoom(clients, drop);
    clients.set(id, client);
    return client;
  };
  const local = (address: Address & { path: string }): MuxClient => {
    const id = `local ${address.path}`;
    return (clients.get(id) ?? keep(id, createMuxClient({ ...ports, address, limits: machineLimits }))) as MuxClient;
  };
  const remote = (endpoint: Endpoint & { mesh: Address }, caller: Caller): MuxClient | Promise<MuxClient> => {
    const { mesh: address, appId, namespace } = endpoint;
    const id = ids.of(endpoint, caller);
    const known = clients.get(id);
    if (known !== undefined) return known;
    const opening = options.mesh(caller).then((mesh) => {
      if (closed) throw new ProaError('unavailable', 'this runtime stops');
      const client = createMuxClient({ ...ports, network: mesh.networkTo({ appId, namespace }), address });
      renewals.set(
        client,
        mesh.source.onChange(() => client.renew()),
      );
      clients.set(id, client);
      return client;
    });
    opening.catch(() => clients.delete(id));
    return keep(id, opening);
  };
  const linkTo = (endpoint: Endpoint, caller: Caller): MuxClient | Promise<MuxClient> => {
    if (endpoint.local !== undefined && 'path' in endpoint.local) return local(endpoint.local);
    if (endpoint.mesh !== undefined) return remote(endpoint as Endpoint & { mesh: Address }, caller);
    throw new ProaError('invoke.unreachable', `the registry gives no address for app "${endpoint.appId}"`);
  };
  return {
    invoke(endpoint, call, kind = 'invoke') {
      const link = linkTo(endpoint, call.caller);
      const to = { instance: endpoint.instance, kind, path: encoded.of(call.input.path) };
      const fields = invokeFields.of(call.input, { caller: call.caller, trace: valueOf(call.context, traceKey) }, to);
      return link instanceof Promise
        ? link.then((opened) => invokeOver(opened, { endpoint, fields }, call))
        : invokeOver(link, { endpoint, fields }, call);
    },
    grpc(endpoint, call) {
      const link = linkTo(endpoint, call.caller);
      if (openStream !== undefined && !(link instanceof Promise)) return streamOver(link, openStream, { endpoint, call });
      return Promise.all([link, loadOpenStream()]).then(([client, open]) => streamOver(client, open, { endpoint, call }));
    },
    async close() {
      closed = true;
      for (const client of clients.values()) await Promise.resolve(client).then(drop, () => {});
    },
  };
}

function makeRoom(clients: Map<string, MuxClient | Promise<MuxClient>>, drop: (client: MuxClient) => void): void {
  for (const [id, client] of clients) {
    if (client instanceof Promise || client.counts.calls + client.counts.waiting > 0) continue;
    drop(client);
    clients.delete(id);
    return;
  }
  throw new ProaError('overloaded', `connections to ${clients.size} runtimes are in use`, { refusedAt: 'caller' });
}

function streamOver(client: MuxClient, open: OpenHttp2Stream, what: { endpoint: Endpoint; call: PassedCall }): Http2Stream {
  const { appId, namespace, instance } = what.endpoint;
  const { headers, caller, handlers } = what.call;
  const fields = callFields({ kind: 'grpc', appId, namespace, instance, caller, method: 'POST', path: '', query: '' }, headers);
  return open(client, fields, handlers);
}

function invokeOver(
  client: MuxClient,
  { endpoint, fields: { fields, last } }: { readonly endpoint: Endpoint; readonly fields: Fields },
  call: Call<InvokeRequest>,
): Promise<InvokeResponse> {
  const { input, cancel, deadlineMs } = call;
  const request = { fields, last, body: input.body, cancel, deadlineMs };
  return new Promise((resolve, reject) => client.call(request, new Awaited(endpoint, resolve, reject)));
}

/** A call whose answer somebody waits for. */
class Awaited implements MuxHandlers {
  readonly #endpoint: Endpoint;
  readonly #resolve: (answer: InvokeResponse) => void;
  readonly #reject: (error: unknown) => void;

  constructor(endpoint: Endpoint, resolve: (answer: InvokeResponse) => void, reject: (error: unknown) => void) {
    this.#endpoint = endpoint;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  head(message: Incoming): void {
    try {
      this.#resolve(answerOf(message));
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: ProaError): void {
    this.#reject(error.code === 'unavailable' ? unreachable(this.#endpoint, error) : error);
  }
}

function unreachable(endpoint: Endpoint, error: ProaError): ProaError {
  return new ProaError('invoke.unreachable', `the runtime of app "${endpoint.appId}" cannot be reached: ${error.message}`, {
    cause: error,
  });
}
