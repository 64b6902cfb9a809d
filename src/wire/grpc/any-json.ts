import { ProaError } from '../../kernel/errors.ts';

/** A `google.protobuf.Any`. */
export interface AnyMessage {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** The type under which JSON travels in one. */
export const jsonValueType = 'type.googleapis.com/google.protobuf.Value';

/** JSON as a `google.protobuf.Value`. Fails with `malformed-request` for what is no JSON. Protobuf's code is loaded when it is first needed. */
export async function valueOfJson(text: string): Promise<AnyMessage> {
  const [{ fromJsonString, toBinary }, { ValueSchema }] = await Promise.all([
    import('@bufbuild/protobuf'),
    import('@bufbuild/protobuf/wkt'),
  ]);
  try {
    return { typeUrl: jsonValueType, value: toBinary(ValueSchema, fromJsonString(ValueSchema, text)) };
  } catch (cause) {
    throw new ProaError('malformed-request', `"data" is no JSON value: ${(cause as Error).message}`, { cause });
  }
}

/** The JSON of a `google.protobuf.Value`; undefined for any other type, and for damaged bytes. */
export async function jsonOfValue({ typeUrl, value }: AnyMessage): Promise<string | undefined> {
  if (typeUrl !== jsonValueType) return undefined;
  const [{ fromBinary, toJsonString }, { ValueSchema }] = await Promise.all([
    import('@bufbuild/protobuf'),
    import('@bufbuild/protobuf/wkt'),
  ]);
  try {
    return toJsonString(ValueSchema, fromBinary(ValueSchema, value));
  } catch {
    return undefined;
  }
}

/** What an HTTP app gets of it: JSON unwrapped, any other type as its bytes without white space around them (Dapr reference 5.7). */
export async function plainBytes(message: AnyMessage | undefined): Promise<Uint8Array> {
  if (message === undefined) return new Uint8Array(0);
  const json = await jsonOfValue(message);
  return json === undefined ? trimmed(message.value) : Buffer.from(json);
}

function trimmed(bytes: Uint8Array): Uint8Array {
  let [from, to] = [0, bytes.length];
  while (from < to && isSpace(bytes[from])) from++;
  while (to > from && isSpace(bytes[to - 1])) to--;
  return bytes.subarray(from, to);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
