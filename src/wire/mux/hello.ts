import type { MuxLimits } from './limits.ts';

/** What the first frame of each side says. */
export type Hello = Pick<MuxLimits, 'streamsMax' | 'frameBytesMax' | 'headBytesMax' | 'fieldsMax' | 'windowBytes'>;

/** Version 1 of the protocol, as ALPN names it too. */
export const protocolName = 'proa/1';

const magic = Buffer.from(protocolName, 'latin1');
const settings = ['streamsMax', 'frameBytesMax', 'headBytesMax', 'fieldsMax', 'windowBytes'] as const;

/** A peer may not ask for less: below these no call would get through. */
const least: Hello = { streamsMax: 1, frameBytesMax: 16 * 1024, headBytesMax: 4 * 1024, fieldsMax: 64, windowBytes: 1024 };

/** The payload of `hello`: the magic, then u16 id and u32 value of each setting. */
export function encodeHello(hello: Hello): Buffer {
  const payload = Buffer.allocUnsafe(magic.length + settings.length * 6);
  payload.set(magic);
  settings.forEach((name, i) => {
    payload.writeUInt16BE(i + 1, magic.length + i * 6);
    payload.writeUInt32BE(hello[name], magic.length + i * 6 + 2);
  });
  return payload;
}

/** What the peer said, or what is wrong with it. Settings that we do not know are skipped; one that is missing or too small is an error. */
export function decodeHello(payload: Buffer): Hello | { readonly error: string } {
  if (payload.length < magic.length || !payload.subarray(0, magic.length).equals(magic))
    return { error: `the peer does not speak ${protocolName}` };
  if ((payload.length - magic.length) % 6 !== 0) return { error: 'the hello frame is cut off' };
  const said: Partial<Record<(typeof settings)[number], number>> = {};
  for (let at = magic.length; at < payload.length; at += 6) {
    const name = settings[payload.readUInt16BE(at) - 1];
    if (name !== undefined) said[name] = payload.readUInt32BE(at + 2);
  }
  for (const name of settings) {
    if ((said[name] ?? 0) < least[name])
      return { error: `the setting ${name} is ${said[name] ?? 'missing'}, at least ${least[name]} is needed` };
  }
  return said as Hello;
}
