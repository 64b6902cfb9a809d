import type { webcrypto } from 'node:crypto';

/** Key wrapping algorithms of `dapr.io/enc/v1` and the names under which clients ask for them (Dapr reference 4.5). */
export type WrapAlgorithm = 'A256KW' | 'A128CBC-NOPAD' | 'A192CBC-NOPAD' | 'A256CBC-NOPAD' | 'RSA-OAEP-256';

export interface WrapResult {
  readonly wrappedKey: Uint8Array;
  readonly tag?: Uint8Array;
}

/** Where keys live. Wrapping happens inside the provider, so that keys of a vault never leave it. */
export interface CryptoProvider {
  readonly algorithms: readonly string[];
  /** The public part as a JWK; undefined when there is no such key or it is symmetric. */
  publicKey(name: string): Promise<webcrypto.JsonWebKey | undefined>;
  /** Fails with an Error that names the key when it does not exist or does not fit the algorithm. */
  wrapKey(name: string, algorithm: WrapAlgorithm, key: Uint8Array): Promise<WrapResult>;
  unwrapKey(name: string, algorithm: WrapAlgorithm, wrapped: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}
