import { contextKey } from '../kernel/context.ts';
import type { Call } from '../kernel/call.ts';
import type { InvokeRequest, InvokeResponse } from './app-channel.ts';
import type { Endpoint } from './resolver.ts';

/** Chooses among the endpoints of one app and learns from how its attempts end. */
export interface EndpointBalancer {
  /** The endpoints are these now; what was learnt about those that stay is kept. */
  update(endpoints: readonly Endpoint[]): void;
  /** Sends one attempt to the endpoint of its choice, in the same turn. Fails with `circuit-open` when no endpoint may be tried. */
  send(call: Call<InvokeRequest>, to: (endpoint: Endpoint, call: Call<InvokeRequest>) => Promise<InvokeResponse>): Promise<InvokeResponse>;
}

/** Makes the balancer of one app; the block keeps it as long as it knows the app. */
export type BalanceTarget = (appId: string, namespace: string) => EndpointBalancer;

/** How a call wants to be balanced: what its policies ask for; undefined: as is usual. Its inside belongs to the mesh. */
export const balancePlanKey = contextKey<object | undefined>('balance', undefined);

/** The version of the app to which a call was given by a split; empty: any. */
export const versionKey = contextKey<string>('version', '');
