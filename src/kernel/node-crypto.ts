import type * as crypto from 'node:crypto';

let loaded: typeof crypto | undefined;

/** Node's crypto module, loaded on first use: importing it costs a process 7 ms and 1.6 MB, and a sidecar whose app needs none starts without. */
export function nodeCrypto(): typeof crypto {
  return (loaded ??= process.getBuiltinModule('node:crypto'));
}

/** SHA-256. */
export function sha256(bytes: Uint8Array): Buffer {
  return nodeCrypto().createHash('sha256').update(bytes).digest();
}
