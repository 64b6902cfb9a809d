import type { AppIdentity } from './spiffe-id.ts';

/** A certificate with its key and the roots that are trusted, all PEM. A new object for each change. */
export interface IdentityDocument {
  readonly certificate: string;
  readonly privateKey: string;
  readonly roots: string;
  /** Roots that have retired: nobody connects by them, but what they vouched for in their time stays signed. */
  readonly pastRoots?: string;
  readonly notAfterMs: number;
}

/** Where an app's identity comes from. It is renewed before it expires, without anybody asking. */
export interface IdentitySource {
  readonly identity: AppIdentity;
  /** The document as it is now. */
  current(): IdentityDocument;
  /** Calls back when there is another one. Returns the function that ends it. */
  onChange(changed: () => void): () => void;
  /** Calls back when a renewal failed; the former document stays. Returns the function that ends it. */
  onFailure(failed: (error: unknown) => void): () => void;
  close(): void;
}
