import { toBinary } from '@bufbuild/protobuf';
import { BytesValueSchema } from '@bufbuild/protobuf/wkt';
import type { ServerCall } from '../../wire/grpc/method.ts';

// Data of reminders and timers is JSON everywhere but in gRPC, where apps give bytes and get an Any. Dapr's bridge between the two (1.18): bytes become a
// text in base64, also where they are JSON themselves, and JSON comes back as the bytes of a BytesValue. SDKs decode what they encoded that way.

/** Metadata of a registration whose bytes are JSON and stay what they are, so that an app finds its data again whichever way it comes to its runtime. */
const jsonDataHeader = 'proa-json-data';

/** The JSON of what an app gave; absent for no bytes. */
export function jsonOfBytes(data: Uint8Array, { metadata }: Pick<ServerCall, 'metadata'>): { readonly data?: string } {
  if (data.length === 0) return {};
  const isJson = metadata.some((name, i) => i % 2 === 0 && name === jsonDataHeader);
  return { data: isJson ? Buffer.from(data).toString('utf8') : JSON.stringify(Buffer.from(data).toString('base64')) };
}

/** JSON as an app gets it; absent for none. */
export function anyOfJson(json: string | undefined): { readonly data?: { readonly typeUrl: string; readonly value: Uint8Array } } {
  if (json === undefined) return {};
  const value = toBinary(BytesValueSchema, { $typeName: 'google.protobuf.BytesValue', value: Buffer.from(json, 'utf8') });
  return { data: { typeUrl: `type.googleapis.com/${BytesValueSchema.typeName}`, value } };
}
