import * as v from 'valibot';
import { flag, oneOf, secretText, text } from '../../kernel/schema.ts';

/** `secretstores.hashicorp.vault` with Dapr's properties: the KV engine, version 2. */
export const config = v.strictObject({
  vaultAddr: v.optional(text(), 'https://127.0.0.1:8200'),
  /** Either this or `vaultTokenMountPath`. */
  vaultToken: v.exactOptional(secretText()),
  /** File with the token; it is read again when Vault does not know the token any more. */
  vaultTokenMountPath: v.exactOptional(text()),
  /** Where the KV engine is mounted. */
  enginePath: v.optional(text(), 'secret'),
  /** Secrets stand below this path of the engine. */
  vaultKVPrefix: v.optional(text(), 'dapr'),
  /** Without it, secrets stand at the top of the engine. */
  vaultKVUsePrefix: v.optional(flag(), 'true'),
  /** `map`: a secret has several pairs; `text`: it is one value, the JSON of its pairs. */
  vaultValueType: v.optional(oneOf('map', 'text'), 'map'),
  /** PEM of the authorities that may have signed Vault's certificate. */
  caPem: v.exactOptional(text()),
  /** The same as a file. */
  caCert: v.exactOptional(text()),
  /** The same as a folder of files. */
  caPath: v.exactOptional(text()),
  /** Takes any certificate. */
  skipVerify: v.optional(flag(), 'false'),
  /** The name in the certificate, where it is not the host's. */
  tlsServerName: v.exactOptional(text()),
});
