import type { webcrypto } from 'node:crypto';

/** Key wrapping algorithms of `dapr.io/enc/v1` and the names under which clients ask for them (Dapr reference 4.5). */
export type WrapAlgorithm = 'A256KW' | 'A128CBC-NOPAD' | 'A192CBC-NOPAD' | 'A256CBC-NOPAD' | 'RSA-OAEP-256';

export interface WrapResult {
  readonly wrappedKey: Uint8Array;
  readonly tag?: Uint8Array;
}

/** What is encrypted or decrypted by a key itself: a few kilobytes, not a document. */
export interface SubtleMessage {
  /** Plaintext or ciphertext. */
  readonly data: Uint8Array;
  /** Empty for algorithms that take none. */
  readonly nonce: Uint8Array;
  readonly associatedData: Uint8Array;
  /** Of authenticated ciphers, when decrypting. */
  readonly tag?: Uint8Array;
}

export interface Sealed {
  readonly data: Uint8Array;
  readonly tag?: Uint8Array;
}

/** Single operations with a key (Dapr's `Subtle*` calls). Everything fails with an Error; callers must not learn which. */
export interface SubtleKeys {
  /** `operation`: what the key must be allowed to do. */
  encrypt(name: string, algorithm: string, message: SubtleMessage, operation?: 'encrypt' | 'wrapKey'): Promise<Sealed>;
  decrypt(name: string, algorithm: string, message: SubtleMessage, operation?: 'decrypt' | 'unwrapKey'): Promise<Uint8Array>;
  /** The digest is the caller's; EdDSA takes the message itself. `salt`: fresh random bytes, as many as the digest has, for schemes that take one. */
  sign(name: string, algorithm: string, from: { readonly digest: Uint8Array; readonly salt: Uint8Array }): Promise<Uint8Array>;
  verify(name: string, algorithm: string, signed: { readonly digest: Uint8Array; readonly signature: Uint8Array }): Promise<boolean>;
}

/** Where keys live. Wrapping happens inside the provider, so that keys of a vault never leave it. */
export interface CryptoProvider {
  readonly algorithms: readonly string[];
  /** The public part as a JWK; undefined when there is no such key or it is symmetric. */
  publicKey(name: string): Promise<webcrypto.JsonWebKey | undefined>;
  /** Fails with an Error that names the key when it does not exist or does not fit the algorithm. */
  wrapKey(name: string, algorithm: WrapAlgorithm, key: Uint8Array): Promise<WrapResult>;
  unwrapKey(name: string, algorithm: WrapAlgorithm, wrapped: Uint8Array): Promise<Uint8Array>;
  /** Loads the single operations on first use; absent where the provider has none. */
  subtle?(): Promise<SubtleKeys>;
  close(): Promise<void>;
}
