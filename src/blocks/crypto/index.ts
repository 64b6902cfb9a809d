import type { Service } from '../../kernel/service.ts';
import type { Body } from '../../kernel/body.ts';
import type { Sealed, SubtleMessage } from '../../contracts/crypto.ts';

export interface EncryptOptions {
  readonly keyName: string;
  readonly keyWrapAlgorithm: string;
  /** `aes-gcm` (default) or `chacha20-poly1305`. */
  readonly dataEncryptionCipher?: string;
  readonly omitDecryptionKeyName?: boolean;
  readonly decryptionKeyName?: string;
}

/** Encrypts and decrypts streams in the format `dapr.io/enc/v1` (Dapr reference 4.5). The answer streams while the input does. */
export interface CryptoBlock {
  readonly encrypt: Service<{ readonly provider: string; readonly options: EncryptOptions; readonly data: Body }, Body>;
  readonly decrypt: Service<{ readonly provider: string; readonly keyName?: string; readonly data: Body }, Body>;
  readonly subtle: SubtleBlock;
}

/** With which key of which provider, and how. */
interface SubtleInput {
  readonly provider: string;
  readonly keyName: string;
  readonly algorithm: string;
}

/** Single operations with a key (Dapr reference 3, 7.1: `Subtle*`). */
export interface SubtleBlock {
  /** The public part of an asymmetric key as PEM (PKIX) or as a JWK. Other formats are refused. */
  readonly getKey: Service<{ readonly provider: string; readonly keyName: string; readonly format: string }, string>;
  readonly encrypt: Service<SubtleInput & SubtleMessage, Sealed>;
  readonly decrypt: Service<SubtleInput & SubtleMessage, Uint8Array>;
  /** `data` is a key: one JWK, PEM, or raw bytes. */
  readonly wrapKey: Service<SubtleInput & SubtleMessage, Sealed>;
  readonly unwrapKey: Service<SubtleInput & SubtleMessage, Uint8Array>;
  readonly sign: Service<SubtleInput & { readonly digest: Uint8Array }, Uint8Array>;
  readonly verify: Service<SubtleInput & { readonly digest: Uint8Array; readonly signature: Uint8Array }, boolean>;
}

export { createCryptoBlock, type CryptoBlockDeps } from './crypto-block.ts';
