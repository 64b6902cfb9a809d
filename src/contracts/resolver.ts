import type { Address } from '../kernel/ports.ts';

/** What the registry says about an endpoint: `draining` finishes what it has and takes nothing new. */
export type EndpointHealth = 'healthy' | 'unhealthy' | 'draining';

/** Where one instance of an app can be reached, and how. At least one of the two addresses is there. */
export interface Endpoint {
  readonly appId: string;
  readonly namespace: string;
  /** Unique per running instance. */
  readonly instance: string;
  /** The socket of the runtime that hosts it, when that runs on this machine: speaks `wire/mux`, and believes who calls. */
  readonly local?: Address;
  /** Where runtimes of other machines reach the one that hosts it: `wire/mux` over TLS, each side with a certificate. */
  readonly mesh?: Address;
  /** Absent: healthy, as far as the registry knows. */
  readonly health?: EndpointHealth;
  readonly zone?: string;
  /** Its share of calls beside that of its siblings, 0 to 65,535; 1 when absent. 0 is as good as draining. */
  readonly weight?: number;
  /** Version of the app, for splits between versions. */
  readonly version?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Every known endpoint of one app, unhealthy ones included, and how far to trust the list. */
export interface EndpointSet {
  readonly endpoints: readonly Endpoint[];
  /** The resolver that answered, for explanations: `engine`, `dns` ... */
  readonly source: string;
  /** Wall time since when the registry could not be asked: the list is the last good answer. Absent: it is current. */
  readonly staleSinceMs?: number;
}

/**
 * Finds apps. Answers from memory after the first question; `changed` tells that a name's endpoints are others now. An unknown app is an empty set. When
 * the registry fails the last good answer stays, marked stale; without one, or when it is too old, `resolve` fails with `unavailable`.
 */
export interface Resolver {
  resolve(appId: string, namespace: string): Promise<EndpointSet>;
  onChange(changed: (appId: string, namespace: string) => void): () => void;
  close(): Promise<void>;
}

/** Announces what this process hosts. */
export interface Registry extends Resolver {
  /** Keeps the endpoint listed until the answer is called. A process that dies leaves within the registry's lease. */
  announce(endpoint: Endpoint): Promise<() => Promise<void>>;
  /** Everything that is announced now, for `proa list`; a registry that cannot be listed answers what it has resolved. */
  list(): Promise<readonly Endpoint[]>;
}

/**
 * The endpoints that may take new calls: the healthy ones; when there is none, those that are not draining, because a registry that calls everything
 * sick is likelier wrong than right; when there is none of these either, all.
 */
export function eligible(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const open = endpoints.filter((endpoint) => endpoint.health !== 'draining' && endpoint.weight !== 0);
  const healthy = open.filter((endpoint) => endpoint.health !== 'unhealthy');
  if (healthy.length > 0) return healthy;
  return open.length > 0 ? open : endpoints;
}
