import type { Call } from '../kernel/call.ts';
import type { InvokeRequest, InvokeResponse } from './app-channel.ts';
import type { HttpEndpoint } from './resources.ts';
import type { Endpoint } from './resolver.ts';

/** Carries a call to the runtime that hosts the target: within this process, or over its peer socket. Fails with `invoke.unreachable` when nothing was sent. */
export interface PeerTransport {
  send(endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse>;
  /** A call of an actor that the endpoint hosts; its path is the app's (`actors/<type>/<id>/method/<method>`). */
  actor(endpoint: Endpoint, call: Call<InvokeRequest>): Promise<InvokeResponse>;
}

/** Carries a call to a server that is no Proa app: an HTTPEndpoint resource, or a URL in place of the app id. */
export interface ExternalTransport {
  send(endpoint: HttpEndpoint, call: Call<InvokeRequest>): Promise<InvokeResponse>;
}
