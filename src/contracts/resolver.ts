import type { Address } from '../kernel/ports.ts';

/** Where one instance of an app can be reached, and how. */
export interface Endpoint {
  readonly appId: string;
  readonly namespace: string;
  /** Unique per running instance. */
  readonly instance: string;
  /** The peer socket of the runtime that hosts it: speaks `wire/http1` there. */
  readonly http: Address;
  /** The peer socket for gRPC. */
  readonly grpc: Address;
}

/** Finds apps. Answers from memory after the first question; `changed` tells that a name's endpoints are others now. */
export interface Resolver {
  resolve(appId: string, namespace: string): Promise<readonly Endpoint[]>;
  onChange(changed: (appId: string, namespace: string) => void): () => void;
  close(): Promise<void>;
}

/** Announces what this process hosts. */
export interface Registry extends Resolver {
  announce(endpoint: Endpoint): Promise<() => Promise<void>>;
  /** Everything that is announced now, for `proa list`. */
  list(): Promise<readonly Endpoint[]>;
}
