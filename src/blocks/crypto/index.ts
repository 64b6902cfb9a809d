import type { Service } from '../../kernel/service.ts';
import type { Body } from '../../kernel/body.ts';

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
}

export { createCryptoBlock, type CryptoBlockDeps } from './crypto-block.ts';
