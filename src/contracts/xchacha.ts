/**
 * The first half of XChaCha20 (draft-irtf-cfrg-xchacha-03, section 2.2): a subkey of the key and the first 16 bytes of a nonce of 24. What remains is
 * ChaCha20 with that subkey and the nonce's last 8 bytes behind four zeros.
 */
export function hchacha20(key: Uint8Array, nonce16: Uint8Array): Uint8Array {
  const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const state = new Uint32Array(16);
  state.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  for (let i = 0; i < 8; i++) state[4 + i] = view(key).getUint32(4 * i, true);
  for (let i = 0; i < 4; i++) state[12 + i] = view(nonce16).getUint32(4 * i, true);
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(state, [i, 4 + i, 8 + i, 12 + i]);
    for (let i = 0; i < 4; i++) quarter(state, [i, 4 + ((i + 1) & 3), 8 + ((i + 2) & 3), 12 + ((i + 3) & 3)]);
  }
  const subkey = new Uint8Array(32);
  for (let i = 0; i < 4; i++) {
    view(subkey).setUint32(4 * i, state[i] as number, true);
    view(subkey).setUint32(16 + 4 * i, state[12 + i] as number, true);
  }
  return subkey;
}

function quarter(state: Uint32Array, [a, b, c, d]: readonly [number, number, number, number]): void {
  const step = (x: number, y: number, z: number, bits: number): void => {
    state[x] = (state[x] as number) + (state[y] as number);
    const mixed = (state[z] as number) ^ (state[x] as number);
    state[z] = (mixed << bits) | (mixed >>> (32 - bits));
  };
  step(a, b, d, 16);
  step(c, d, b, 12);
  step(a, b, d, 8);
  step(c, d, b, 7);
}
