/** Frames of the mux (docs/reference/mux.md): u24 length of the payload, u8 type, u8 flags, u32 stream; big endian. */
export const frameHeaderBytes = 9;

export const frameType = { hello: 0, head: 1, data: 2, trailers: 3, reset: 4, credit: 5, ping: 6, goaway: 7 } as const;

/** On `head`, `data` and `trailers`: the sender's direction of the stream ends with this frame. */
export const endFlag = 1;
/** On `ping`: the answer to one. */
export const ackFlag = 1;

/** Why a stream is reset or a connection goes away; both ends know them. */
export const closeCodes = {
  /** Nothing is wrong: the rest is not needed, or the runtime stops. */
  done: 0,
  cancelled: 1,
  /** The stream was not looked at: it is safe to open it again elsewhere. */
  refused: 2,
  deadline: 3,
  protocol: 4,
  /** A limit of the sender of this code was exceeded. */
  limit: 5,
  internal: 6,
  /** The certificate of the peer is not accepted. */
  identity: 7,
  /** The body broke off at its source. */
  body: 8,
} as const;

/** The last stream of the first of two `goaway` frames: "open no more", before it is known which streams arrived. */
export const everyStream = 0xffff_ffff;

/** Payload bytes of `head` before the lengths of its fields: u32 timeout, u48 body length, u16 fields. */
export const headFixedBytes = 12;
export const noTimeout = 0xffff_ffff;
export const unknownLength = 0xffff_ffff_ffff;

const reasonBytesMax = 1024;
const helloBytesMax = 1024;

/** The largest payload of a type that is not governed by `frameBytesMax`; undefined for an unknown type. */
export function payloadBytesMax(type: number, frameBytesMax: number): number | undefined {
  switch (type) {
    case frameType.head:
    case frameType.data:
    case frameType.trailers:
      return frameBytesMax;
    case frameType.hello:
      return helloBytesMax;
    case frameType.reset:
      return 2 + reasonBytesMax;
    case frameType.goaway:
      return 6 + reasonBytesMax;
    case frameType.credit:
      return 4;
    case frameType.ping:
      return 8;
    default:
      return undefined;
  }
}

/** Writes the nine bytes of a frame header at `at`. */
export function writeFrameHeader(to: Buffer, at: number, length: number, frame: { type: number; flags: number; stream: number }): void {
  const { type, flags, stream } = frame;
  to[at] = length >>> 16;
  to[at + 1] = length >>> 8;
  to[at + 2] = length;
  to[at + 3] = type;
  to[at + 4] = flags;
  to[at + 5] = stream >>> 24;
  to[at + 6] = stream >>> 16;
  to[at + 7] = stream >>> 8;
  to[at + 8] = stream;
}

/** A code and a reason for people, cut to the bytes that a peer accepts. */
export function codePayload(code: number, reason: string, lastStream?: number): Buffer {
  const text = Buffer.from(reason, 'utf8').subarray(0, reasonBytesMax);
  const at = lastStream === undefined ? 0 : 4;
  const payload = Buffer.allocUnsafe(at + 2 + text.length);
  if (lastStream !== undefined) payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt16BE(code, at);
  payload.set(text, at + 2);
  return payload;
}

/** A whole `goaway` frame, for a peer that is turned away before there is a connection to speak of. */
export function goawayBytes(code: keyof typeof closeCodes, reason: string): Buffer {
  const payload = codePayload(closeCodes[code], reason, 0);
  const header = Buffer.alloc(frameHeaderBytes);
  writeFrameHeader(header, 0, payload.length, { type: frameType.goaway, flags: 0, stream: 0 });
  return Buffer.concat([header, payload]);
}
