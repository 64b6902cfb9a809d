import type tls from 'node:tls';
import { describe, expect, it } from 'vitest';
import { readInto } from './read-into.ts';

const states = ['kBuffer', 'kBufferCb', 'kBufferGen'];

/** A socket as Node makes it, with what arrived before anybody read; `lacks` leaves one of the parts out. */
function socketWith(early: Buffer | null, lacks = '') {
  const buffers: Uint8Array[] = [];
  const socket: Record<string | symbol, unknown> = { read: () => early };
  for (const name of states) if (name !== lacks) socket[Symbol(name)] = null;
  socket['_handle'] = lacks === 'handle' ? null : lacks === 'method' ? {} : { useUserBuffer: (buffer: Uint8Array) => buffers.push(buffer) };
  const state = (name: string): unknown =>
    socket[Object.getOwnPropertySymbols(socket).find(({ description }) => description === name) as symbol];
  return { socket: socket as unknown as tls.TLSSocket, buffers, state };
}

describe('an accepted socket that reads into a buffer', () => {
  it('tells first what was read before, then each read', () => {
    const { socket, buffers, state } = socketWith(Buffer.from('early'));
    const buffer = Buffer.from('abcdef');
    const taken: string[] = [];
    expect(readInto(socket, buffer, (bytes) => taken.push(bytes.toString()))).toBe(true);
    expect(buffers).toEqual([buffer]);
    expect(state('kBuffer')).toBe(buffer);
    expect((state('kBufferCb') as (count: number) => boolean)(3)).toBe(true);
    expect(taken).toEqual(['early', 'abc']);
  });

  it('is left as it was where a part of Node is missing, or somebody has set it', () => {
    for (const lacks of [...states, 'handle', 'method']) {
      const { socket, buffers, state } = socketWith(Buffer.from('early'), lacks);
      expect(readInto(socket, Buffer.alloc(8), () => expect.unreachable())).toBe(false);
      expect(buffers).toEqual([]);
      expect(states.map(state).filter((value) => value !== null && value !== undefined)).toEqual([]);
    }
    const { socket } = socketWith(null);
    expect(readInto(socket, Buffer.alloc(8), () => {})).toBe(true);
    expect(readInto(socket, Buffer.alloc(8), () => {})).toBe(false);
  });
});
