let loaded: typeof import('node:crypto') | undefined;

/** Node's crypto module, loaded on first use: importing it costs a process 7 ms and 1.6 MB, and a sidecar whose app needs none starts without. */
export function nodeCrypto(): typeof import('node:crypto') {
  return (loaded ??= process.getBuiltinModule('node:crypto'));
}
