import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type {
  Etag,
  HTTPExtension,
  InvokeRequest,
  InvokeRequestSchema,
  InvokeResponse,
  InvokeResponseSchema,
  StateItem,
  StateOptions,
} from '../../gen/dapr/proto/common/v1/common_pb.ts';
import type { InvokeServiceRequest } from '../../gen/dapr/proto/runtime/v1/invoke_pb.ts';
import type { PublishEventRequest } from '../../gen/dapr/proto/runtime/v1/pubsub_pb.ts';
import type { GetStateRequest, GetStateResponseSchema, SaveStateRequest } from '../../gen/dapr/proto/runtime/v1/state_pb.ts';
import { LastText, ProtoReader } from '../../wire/grpc/proto-reader.ts';
import { ProtoWriter } from '../../wire/grpc/proto-writer.ts';

// The messages of the busiest calls, decoded and encoded by hand: what protobuf-es makes of their descriptors at a fraction of its cost. Unknown fields are
// dropped. A tag is the field's number times eight, plus 2 for strings, bytes, messages and maps, plus 0 for enums.

const nothing = new Uint8Array(0);
const last = { pubsub: new LastText(), topic: new LastText(), contentType: new LastText(), store: new LastText(), key: new LastText() };
// One message is written at a time: nothing here waits.
const writer = new ProtoWriter();

function decode<T>(bytes: Uint8Array, into: T, read: (reader: ProtoReader, tag: number, into: T) => void): T {
  const reader = new ProtoReader(bytes);
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) read(reader, tag, into);
  return into;
}

/** `dapr.proto.runtime.v1.InvokeServiceRequest`. Bytes fields are views of `bytes`. Fails with an `Error` for what is no protobuf, as all of these. */
export function decodeInvokeServiceRequest(bytes: Uint8Array): InvokeServiceRequest {
  return decode<InvokeServiceRequest>(bytes, { $typeName: 'dapr.proto.runtime.v1.InvokeServiceRequest', id: '' }, (reader, tag, into) => {
    if (tag === 0x0a) into.id = reader.string();
    else if (tag === 0x1a) into.message = reader.nested(into.message ?? emptyInvokeRequest(), readInvokeRequest);
    else reader.skip(tag);
  });
}

/** `dapr.proto.common.v1.InvokeRequest`, as apps get it. */
export function encodeInvokeRequest(message: MessageInitShape<typeof InvokeRequestSchema>): Uint8Array {
  const { method = '', data, contentType = '', httpExtension } = message;
  writer.string(1, method);
  writeAny(2, data);
  writer.string(3, contentType);
  if (httpExtension !== undefined) {
    const begun = writer.begin(4);
    writer.varint(1, httpExtension.verb ?? 0);
    writer.string(2, httpExtension.querystring ?? '');
    writer.end(begun);
  }
  return writer.finish();
}

/** `dapr.proto.common.v1.InvokeResponse`, as apps answer. */
export function decodeInvokeResponse(bytes: Uint8Array): InvokeResponse {
  return decode<InvokeResponse>(bytes, { $typeName: 'dapr.proto.common.v1.InvokeResponse', contentType: '' }, (reader, tag, into) => {
    if (tag === 0x0a) into.data = reader.nested(into.data ?? emptyAny(), readAny);
    else if (tag === 0x12) into.contentType = reader.string();
    else reader.skip(tag);
  });
}

/** `dapr.proto.common.v1.InvokeResponse`. */
export function encodeInvokeResponse(message: MessageInitShape<typeof InvokeResponseSchema>): Uint8Array {
  writeAny(1, message.data);
  writer.string(2, message.contentType ?? '');
  return writer.finish();
}

/** `dapr.proto.runtime.v1.PublishEventRequest`. */
export function decodePublishEventRequest(bytes: Uint8Array): PublishEventRequest {
  const empty: PublishEventRequest = {
    $typeName: 'dapr.proto.runtime.v1.PublishEventRequest',
    pubsubName: '',
    topic: '',
    data: nothing,
    dataContentType: '',
    metadata: {},
  };
  return decode(bytes, empty, (reader, tag, into) => {
    if (tag === 0x0a) into.pubsubName = reader.string(last.pubsub);
    else if (tag === 0x12) into.topic = reader.string(last.topic);
    else if (tag === 0x1a) into.data = reader.bytes();
    else if (tag === 0x22) into.dataContentType = reader.string(last.contentType);
    else if (tag === 0x2a) reader.entry(into.metadata);
    else reader.skip(tag);
  });
}

/** `dapr.proto.runtime.v1.GetStateRequest`. */
export function decodeGetStateRequest(bytes: Uint8Array): GetStateRequest {
  const empty: GetStateRequest = {
    $typeName: 'dapr.proto.runtime.v1.GetStateRequest',
    storeName: '',
    key: '',
    consistency: 0,
    metadata: {},
  };
  return decode(bytes, empty, (reader, tag, into) => {
    if (tag === 0x0a) into.storeName = reader.string(last.store);
    else if (tag === 0x12) into.key = reader.string(last.key);
    else if (tag === 0x18) into.consistency = reader.enumValue() as GetStateRequest['consistency'];
    else if (tag === 0x22) reader.entry(into.metadata);
    else reader.skip(tag);
  });
}

/** `dapr.proto.runtime.v1.GetStateResponse`. */
export function encodeGetStateResponse(message: MessageInitShape<typeof GetStateResponseSchema>): Uint8Array {
  writer.bytes(1, message.data ?? nothing);
  writer.string(2, message.etag ?? '');
  writer.map(3, message.metadata);
  return writer.finish();
}

/** `dapr.proto.runtime.v1.SaveStateRequest`. */
export function decodeSaveStateRequest(bytes: Uint8Array): SaveStateRequest {
  const empty: SaveStateRequest = { $typeName: 'dapr.proto.runtime.v1.SaveStateRequest', storeName: '', states: [] };
  return decode(bytes, empty, (reader, tag, into) => {
    if (tag === 0x0a) into.storeName = reader.string(last.store);
    else if (tag === 0x12) into.states.push(reader.nested(emptyStateItem(), readStateItem));
    else reader.skip(tag);
  });
}

/** Any message without fields. */
export function encodeEmpty(): Uint8Array {
  return nothing;
}

function emptyInvokeRequest(): InvokeRequest {
  return { $typeName: 'dapr.proto.common.v1.InvokeRequest', method: '', contentType: '' };
}

function readInvokeRequest(reader: ProtoReader, tag: number, into: InvokeRequest): void {
  if (tag === 0x0a) into.method = reader.string();
  else if (tag === 0x12) into.data = reader.nested(into.data ?? emptyAny(), readAny);
  else if (tag === 0x1a) into.contentType = reader.string();
  else if (tag === 0x22) into.httpExtension = reader.nested(into.httpExtension ?? emptyExtension(), readExtension);
  else reader.skip(tag);
}

function emptyExtension(): HTTPExtension {
  return { $typeName: 'dapr.proto.common.v1.HTTPExtension', verb: 0, querystring: '' };
}

function readExtension(reader: ProtoReader, tag: number, into: HTTPExtension): void {
  if (tag === 0x08) into.verb = reader.enumValue() as HTTPExtension['verb'];
  else if (tag === 0x12) into.querystring = reader.string();
  else reader.skip(tag);
}

function emptyAny(): Any {
  return { $typeName: 'google.protobuf.Any', typeUrl: '', value: nothing };
}

function readAny(reader: ProtoReader, tag: number, into: Any): void {
  if (tag === 0x0a) into.typeUrl = reader.string();
  else if (tag === 0x12) into.value = reader.bytes();
  else reader.skip(tag);
}

function writeAny(field: number, any: { readonly typeUrl?: string; readonly value?: Uint8Array } | undefined): void {
  if (any === undefined) return;
  const begun = writer.begin(field);
  writer.string(1, any.typeUrl ?? '');
  writer.bytes(2, any.value ?? nothing);
  writer.end(begun);
}

function emptyStateItem(): StateItem {
  return { $typeName: 'dapr.proto.common.v1.StateItem', key: '', value: nothing, metadata: {} };
}

function readStateItem(reader: ProtoReader, tag: number, into: StateItem): void {
  if (tag === 0x0a) into.key = reader.string();
  else if (tag === 0x12) into.value = reader.bytes();
  else if (tag === 0x1a) into.etag = reader.nested(into.etag ?? emptyEtag(), readEtag);
  else if (tag === 0x22) reader.entry(into.metadata);
  else if (tag === 0x2a) into.options = reader.nested(into.options ?? emptyOptions(), readOptions);
  else reader.skip(tag);
}

function emptyEtag(): Etag {
  return { $typeName: 'dapr.proto.common.v1.Etag', value: '' };
}

function readEtag(reader: ProtoReader, tag: number, into: Etag): void {
  if (tag === 0x0a) into.value = reader.string();
  else reader.skip(tag);
}

function emptyOptions(): StateOptions {
  return { $typeName: 'dapr.proto.common.v1.StateOptions', concurrency: 0, consistency: 0 };
}

function readOptions(reader: ProtoReader, tag: number, into: StateOptions): void {
  if (tag === 0x08) into.concurrency = reader.enumValue() as StateOptions['concurrency'];
  else if (tag === 0x10) into.consistency = reader.enumValue() as StateOptions['consistency'];
  else reader.skip(tag);
}
