import { create, type DescMessage, fromBinary, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect';

/**
 * What newer workers and peers put into a message that this version does not know, in the message itself and in those that it holds, as bytes of an otherwise empty message, base64.
 * Undefined: nothing, as is the rule. Merged into the message that is made of what was stored, it makes the message that came.
 */
export function unknownFields<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string | undefined {
  const bare = onlyUnknown(reflect(schema, message));
  return bare === undefined ? undefined : Buffer.from(toBinary(schema, bare as MessageShape<Desc>)).toString('base64');
}

// Lists and maps are left out: their elements could not be told apart when they are merged again.
function onlyUnknown(from: ReflectMessage): Message | undefined {
  const bare = reflect(from.desc, create(from.desc));
  let found = from.getUnknown() !== undefined && (from.getUnknown()?.length ?? 0) > 0;
  if (found) bare.setUnknown(from.getUnknown() ?? []);
  for (const field of from.fields) {
    if (field.fieldKind !== 'message' || !from.isSet(field)) continue;
    const inner = from.get(field);
    const kept = isReflected(inner) ? onlyUnknown(inner) : undefined;
    if (kept === undefined) continue;
    bare.set(field, reflect(field.message, kept));
    found = true;
  }
  return found ? bare.message : undefined;
}

// Wrappers of single values have no unknown fields worth keeping, and are values here.
function isReflected(value: unknown): value is ReflectMessage {
  return typeof value === 'object' && value !== null && 'getUnknown' in value;
}

/** The same for a message of which the messages inside are kept by themselves: looked at with every failure and timer, so without reflection. */
export function ownUnknown<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): { readonly unknown?: string } {
  if (message.$unknown === undefined || message.$unknown.length === 0) return {};
  const bare = create(schema);
  bare.$unknown = message.$unknown;
  return { unknown: Buffer.from(toBinary(schema, bare)).toString('base64') };
}

/** A message with fields that are merged into it; `unknown` as `unknownFields` made it. */
export function withUnknown<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  unknown: string | undefined,
): MessageShape<Desc> {
  if (unknown === undefined) return message;
  // Fields that appear twice are merged: that is how bytes of messages are added up.
  return fromBinary(schema, Buffer.concat([toBinary(schema, message), Buffer.from(unknown, 'base64')]));
}
