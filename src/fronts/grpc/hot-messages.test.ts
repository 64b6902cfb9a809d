import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvokeRequestSchema, InvokeResponseSchema } from '../../gen/dapr/proto/common/v1/common_pb.ts';
import { InvokeServiceRequestSchema } from '../../gen/dapr/proto/runtime/v1/invoke_pb.ts';
import { PublishEventRequestSchema } from '../../gen/dapr/proto/runtime/v1/pubsub_pb.ts';
import { GetStateRequestSchema, GetStateResponseSchema, SaveStateRequestSchema } from '../../gen/dapr/proto/runtime/v1/state_pb.ts';
import {
  decodeGetStateRequest,
  decodeInvokeResponse,
  decodeInvokeServiceRequest,
  decodePublishEventRequest,
  decodeSaveStateRequest,
  encodeEmpty,
  encodeGetStateResponse,
  encodeInvokeRequest,
  encodeInvokeResponse,
} from './hot-messages.ts';

// The referee is protobuf-es with the generated descriptors.

const text = fc.oneof(
  fc.string({ maxLength: 300, unit: 'grapheme' }).filter((value) => !value.startsWith('\ufeff')),
  fc.string({ maxLength: 40, unit: 'grapheme-ascii' }),
  fc.constant('x'.repeat(20_000)),
);
const bytes = fc.uint8Array({ maxLength: 300 });
const metadata = fc.dictionary(fc.constantFrom('', 'a', 'ttlInSeconds', 'ключ', 'constructor'), text, { maxKeys: 3 });
const enumeration = fc.oneof(fc.constantFrom(0, 1, 2, 9), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const any = fc.record({ typeUrl: text, value: bytes });
const httpExtension = fc.record({ verb: enumeration, querystring: text });
const invokeRequest = fc.record({ method: text, data: optional(any), contentType: text, httpExtension: optional(httpExtension) });
const options = fc.record({ concurrency: enumeration, consistency: enumeration });
const stateItem = fc.record({ key: text, value: bytes, etag: optional(fc.record({ value: text })), metadata, options: optional(options) });

const decoders = [
  [
    'InvokeServiceRequest',
    InvokeServiceRequestSchema,
    fc.record({ id: text, message: optional(invokeRequest) }),
    decodeInvokeServiceRequest,
  ],
  ['InvokeResponse', InvokeResponseSchema, fc.record({ data: optional(any), contentType: text }), decodeInvokeResponse],
  [
    'PublishEventRequest',
    PublishEventRequestSchema,
    fc.record({ pubsubName: text, topic: text, data: bytes, dataContentType: text, metadata }),
    decodePublishEventRequest,
  ],
  [
    'GetStateRequest',
    GetStateRequestSchema,
    fc.record({ storeName: text, key: text, consistency: enumeration, metadata }),
    decodeGetStateRequest,
  ],
  [
    'SaveStateRequest',
    SaveStateRequestSchema,
    fc.record({ storeName: text, states: fc.array(stateItem, { maxLength: 3 }) }),
    decodeSaveStateRequest,
  ],
] as unknown as readonly (readonly [string, DescMessage, fc.Arbitrary<object>, (bytes: Uint8Array) => unknown])[];

const encoders = [
  ['InvokeRequest', InvokeRequestSchema, invokeRequest, encodeInvokeRequest],
  ['InvokeResponse', InvokeResponseSchema, fc.record({ data: optional(any), contentType: text }), encodeInvokeResponse],
  ['GetStateResponse', GetStateResponseSchema, fc.record({ data: bytes, etag: text, metadata }), encodeGetStateResponse],
] as unknown as readonly (readonly [string, DescMessage, fc.Arbitrary<object>, (message: unknown) => Uint8Array])[];

function messageOf(schema: DescMessage, init: object): MessageShape<DescMessage> {
  return create(schema, withoutAbsent(init) as MessageInitShape<DescMessage>);
}

// Absent is not the same as undefined for a message's field.
function withoutAbsent(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAbsent);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, withoutAbsent(item)]])));
}

/** Plain data, so that only content is compared. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => item !== undefined && key !== '$unknown')
      .map(([key, item]) => [key, plain(item)]),
  );
}

// Fields that these messages do not have, of every wire type.
const unknownFields = fc.constantFrom(
  ...['f80601', 'fa06026869', 'f9060102030405060708', 'fd0601020304', 'fb06080afc06', 'fb06f80601fa060168fc06', 'f8ffffff0f01'].map((hex) =>
    Buffer.from(hex, 'hex'),
  ),
);

describe('decoding', () => {
  it.each(decoders)('%s as protobuf-es does', (_name, schema, arbitrary, decode) => {
    fc.assert(
      fc.property(arbitrary, fc.array(unknownFields, { maxLength: 3 }), (init, extra) => {
        const encoded = Buffer.concat([...extra, toBinary(schema, messageOf(schema, init)), ...extra]);
        expect(plain(decode(encoded))).toEqual(plain(fromBinary(schema, encoded)));
      }),
      { numRuns: 300 },
    );
  });

  it.each(decoders)('%s merged from two, the last field wins', (_name, schema, arbitrary, decode) => {
    fc.assert(
      fc.property(arbitrary, arbitrary, (one, two) => {
        const encoded = Buffer.concat([toBinary(schema, messageOf(schema, one)), toBinary(schema, messageOf(schema, two))]);
        expect(plain(decode(encoded))).toEqual(plain(fromBinary(schema, encoded)));
      }),
      { numRuns: 200 },
    );
  });

  it.each(decoders)('%s from damaged bytes: an error, or what protobuf-es reads too', (_name, schema, arbitrary, decode) => {
    let decoded = 0;
    fc.assert(
      fc.property(arbitrary, fc.nat(), fc.nat(255), fc.boolean(), (init, where, byte, cut) => {
        const encoded = Buffer.from(toBinary(schema, messageOf(schema, init)));
        const damaged = cut ? encoded.subarray(0, where % (encoded.length + 1)) : encoded;
        if (!cut && encoded.length > 0) encoded[where % encoded.length] = byte;
        let ours: unknown;
        try {
          ours = decode(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          return;
        }
        decoded++;
        // Only the cuts: of a field whose wire type was changed protobuf-es makes something else than a skipped field.
        if (cut) expect(plain(ours)).toEqual(plain(fromBinary(schema, damaged)));
      }),
      { numRuns: 500 },
    );
    expect(decoded).toBeGreaterThan(0);
  });

  it('refuses what is no protobuf', () => {
    const bad = [
      '0a',
      '0a05',
      '0a0568',
      '0880',
      '0a01ff',
      '0b',
      '0f',
      '00',
      '0c',
      '1a020a05',
      '0bfb06',
      'ffffffff1f01',
      '12ffffffff0f',
      '0a80808080808080808080',
    ];
    for (const hex of bad) expect(() => decodeInvokeServiceRequest(Buffer.from(hex, 'hex'))).toThrow();
    const deep = Buffer.alloc(400, 0x1b);
    expect(() => decodeInvokeServiceRequest(deep)).toThrow(/protobuf/);
    expect(decodeGetStateRequest(Buffer.from('22110a095f5f70726f746f5f5f120470776e64', 'hex')).metadata).toEqual({});
    expect(({} as Record<string, unknown>)['pwnd']).toBeUndefined();
  });

  it('never takes a text for the one of the message before', () => {
    // Texts that are alike: of one length but for a character, of the same bytes but for their encoding, beginnings of each other.
    const alike = fc.string({ unit: fc.constantFrom('a', 'b', 'á', '\u0080', 'Ã'), maxLength: 3 });
    fc.assert(
      fc.property(fc.array(fc.tuple(alike, alike), { minLength: 2, maxLength: 20 }), (states) => {
        for (const [storeName, key] of states) {
          const message = create(GetStateRequestSchema, { storeName, key });
          expect(decodeGetStateRequest(toBinary(GetStateRequestSchema, message))).toMatchObject({ storeName, key });
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('encoding', () => {
  it.each(encoders)('%s byte for byte as protobuf-es does', (_name, schema, arbitrary, encode) => {
    fc.assert(
      fc.property(arbitrary, (init) => {
        const message = withoutAbsent(init);
        expect(Buffer.from(encode(message)).toString('hex')).toBe(Buffer.from(toBinary(schema, messageOf(schema, init))).toString('hex'));
      }),
      { numRuns: 300 },
    );
  });

  it('gives bytes of their own, and nothing for an empty message', () => {
    const first = encodeGetStateResponse({ etag: '1' });
    const copy = Buffer.from(first).toString('hex');
    encodeGetStateResponse({ etag: '2', data: new Uint8Array(300_000) });
    expect(Buffer.from(first).toString('hex')).toBe(copy);
    expect(encodeEmpty()).toHaveLength(0);
    expect(encodeInvokeResponse({})).toHaveLength(0);
  });
});
