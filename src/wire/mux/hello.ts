import type { MuxLimits } from './limits.ts';

/** What an accepting side says that is one of several processes at its address. */
export interface Sharing {
  readonly processes: number;
  /** A number of 32 bits that tells it from the others. */
  readonly process: number;
}

/** What the first frame of each side says. */
export type Hello = Pick<MuxLimits, 'streamsMax' | 'frameBytesMax' | 'headBytesMax' | 'fieldsMax' | 'windowBytes'> & Partial<Sharing>;

/** Version 1 of the protocol, as ALPN names it too. */
export const protocolName = 'proa/1';

const magic = Buffer.from(protocolName, 'latin1');
const settings = ['streamsMax', 'frameBytesMax', 'headBytesMax', 'fieldsMax', 'windowBytes', 'processes', 'process'] as const;
type Setting = (typeof settings)[number];

/** A peer may not ask for less: below these no call would get through. */
const least: Omit<Required<Hello>, keyof Sharing> = {
  streamsMax: 1,
  frameBytesMax: 16 * 1024,
  headBytesMax: 4 * 1024,
  fieldsMax: 64,
  windowBytes: 1024,
};

/** The payload of `hello`: the magic, then u16 id and u32 value of each setting. */
export function encodeHello(hello: Hello): Buffer {
  const said = settings.flatMap((name, i) => (hello[name] === undefined ? [] : [{ id: i + 1, value: hello[name] }]));
  const payload = Buffer.allocUnsafe(magic.length + said.length * 6);
  payload.set(magic);
  for (const [i, { id, value }] of said.entries()) {
    payload.writeUInt16BE(id, magic.length + i * 6);
    payload.writeUInt32BE(value, magic.length + i * 6 + 2);
  }
  return payload;
}

/** What the peer said, or what is wrong with it. Settings that we do not know are skipped; a limit that is missing or too small is an error. */
export function decodeHello(payload: Buffer): Hello | { readonly error: string } {
  if (payload.length < magic.length || !payload.subarray(0, magic.length).equals(magic))
    return { error: `the peer does not speak ${protocolName}` };
  if ((payload.length - magic.length) % 6 !== 0) return { error: 'the hello frame is cut off' };
  const said: Partial<Record<Setting, number>> = {};
  for (let at = magic.length; at < payload.length; at += 6) {
    const name = settings[payload.readUInt16BE(at) - 1];
    if (name !== undefined) said[name] = payload.readUInt32BE(at + 2);
  }
  for (const name of Object.keys(least) as (keyof typeof least)[]) {
    if ((said[name] ?? 0) < least[name])
      return { error: `the setting ${name} is ${said[name] ?? 'missing'}, at least ${least[name]} is needed` };
  }
  return said as Hello;
}
