/** Whom certificates name. */
export interface Signatory {
  readonly namespace: string;
  readonly appId: string;
}

/** Who signs just now: one certificate and its key. */
export interface SigningIdentity {
  /** X.509, DER, the leaf first, then its intermediates, one after another. */
  readonly certificates: Buffer;
  /** SHA-256 of `certificates`. */
  readonly digest: Buffer;
  /** Of the leaf. Wall milliseconds, both ends included. */
  readonly validFromMs: number;
  readonly validToMs: number;
  /** A signature of the SHA-256 of `message`: Ed25519, ECDSA (DER) or RSA PKCS #1 v1.5, as the key is. */
  sign(message: Uint8Array): Buffer;
}

/** An app's identity, as far as it signs what is kept, and judges what apps of its trust domain signed. Synchronous: keys and roots are in memory. */
export interface WorkloadSigner {
  /** The same object until the certificate is renewed. */
  current(): SigningIdentity;
  /** Whom the certificates name, when they led at that time to a root that is trusted, or was once; else why they are refused. */
  judge(certificates: Uint8Array, atMs: number): Signatory | { readonly refused: string };
  /** Whom the certificates name, whether they are to be believed or not; undefined: nobody, or they cannot be read. */
  named(certificates: Uint8Array): Signatory | undefined;
  /** Whether the key of the leaf signed the SHA-256 of `message`; false as well for certificates that cannot be read. */
  verify(message: Uint8Array, signature: Uint8Array, certificates: Uint8Array): boolean;
}
