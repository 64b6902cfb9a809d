import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalogue, type ErrorCode } from '../../kernel/catalogue.ts';
import { ProaError } from '../../kernel/errors.ts';
import { formatTimeout, parseTimeout } from '../../kernel/timeout-header.ts';
import { grpcCodeOf, grpcCodes, grpcFromHttp, grpcNumber, httpFromGrpc } from '../../kernel/status.ts';
import { Deframer, frame as framed } from './framing.ts';
import { applicationMetadata, binaryText, binaryValues, checkMetadata, decodeMessage, encodeMessage } from './metadata.ts';
import { fromGrpcStatus, readStatus, remoteStatusOf, statusOfHttp, statusOfReset, statusTrailers, toGrpcStatus } from './status.ts';

/** A frame in memory of its own. */
const frame = (message: Uint8Array): Buffer => Buffer.from(framed(message));

describe('framing', () => {
  it('cuts any chunks of a byte stream into the messages that were framed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map(frame));
          const got: Uint8Array[] = [];
          const deframer = new Deframer({ message: (message) => got.push(message) }, { bytesMax: 300, gzip: false });
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = cuts[i % cuts.length] as number;
            const chunk = Buffer.from(bytes.subarray(at, at + size));
            deframer.push(chunk);
            // The chunk's memory is somebody else's after the call.
            chunk.fill(0xaa);
            at += size;
          }
          expect(deframer.complete).toBe(true);
          expect(got.map((message) => Buffer.from(message).toString('hex'))).toEqual(
            messages.map((message) => Buffer.from(message).toString('hex')),
          );
        },
      ),
    );
  });

  it('refuses a large message at its prefix, and grows for one that is allowed', () => {
    const got: number[] = [];
    const deframer = new Deframer({ message: (message) => got.push(message.length) }, { bytesMax: 1_000_000, gzip: false });
    const large = frame(new Uint8Array(1_000_000));
    for (let at = 0; at < large.length; at += 16_384) deframer.push(large.subarray(at, at + 16_384));
    expect(got).toEqual([1_000_000]);
    expect(() => deframer.push(frame(new Uint8Array(1_000_001)).subarray(0, 5))).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });

  it('throws nothing but errors with a code on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, gzip) => {
        const deframer = new Deframer({ message() {} }, { bytesMax: 100, gzip });
        try {
          deframer.push(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProaError);
        }
      }),
    );
  });
});

describe('metadata', () => {
  it('never shortens a timeout and keeps three digits at least', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e10, noNaN: true }), (timeoutMs) => {
        const text = formatTimeout(timeoutMs);
        expect(text).toMatch(/^\d{1,8}[umS]$/);
        const parsed = parseTimeout(text);
        expect(parsed).toBeGreaterThanOrEqual(timeoutMs * (1 - 1e-9));
        expect(parsed).toBeLessThanOrEqual(timeoutMs * 1.001 + 0.001);
      }),
    );
    expect(['1H', '2M', '3S', '4m', '5u', '6n'].map(parseTimeout)).toEqual([3_600_000, 120_000, 3000, 4, 0.005, 6 * 0.000_001]);
    for (const bad of ['', 'S', '1', '1s', '-1S', '123456789S', '1.5S', ' 1S'])
      expect(() => parseTimeout(bad)).toThrow(/malformed grpc-timeout/);
  });

  it('carries every text and all bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const encoded = encodeMessage(text);
        expect(encoded).toMatch(/^[\x20-\x7e]*$/);
        expect(decodeMessage(encoded)).toBe(Buffer.from(text).toString());
      }),
    );
    expect(decodeMessage('50% done %zz %e2%82%ac')).toBe('50% done %zz €');
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = binaryText(bytes);
        expect(text).not.toContain('=');
        expect(binaryValues(['x-bin', text], 'x-bin')).toEqual([Buffer.from(bytes)]);
      }),
    );
    expect(binaryValues(['a-bin', 'AQ==, Ag', 'b-bin', 'AA', 'a-bin', 'Aw'], 'a-bin')).toEqual([
      Buffer.from([1]),
      Buffer.from([2]),
      Buffer.from([3]),
    ]);
  });

  it('tells the application’s entries from the protocol’s, and refuses what cannot be on the wire', () => {
    const headers = [
      ':path',
      '/a',
      'te',
      'trailers',
      'grpc-timeout',
      '1S',
      'grpc-trace-bin',
      'AA',
      'x',
      '1',
      'content-type',
      'application/grpc',
      'x',
      '2',
    ];
    expect(applicationMetadata(headers)).toEqual(['grpc-trace-bin', 'AA', 'x', '1', 'x', '2']);
    for (const [name, value] of [
      ['X', 'a'],
      ['a b', 'a'],
      ['', 'a'],
      ['a', 'line\r\nbreak'],
      ['a', 'é'],
    ] as const)
      expect(() => checkMetadata(name, value)).toThrow(ProaError);
  });
});

describe('statuses', () => {
  it('carry every error of the catalogue over the wire and back', () => {
    for (const code of Object.keys(catalogue) as ErrorCode[]) {
      const sent = new ProaError(code, `it failed: ${code} ü`, { details: { reason: catalogue[code].errorCode, metadata: { k: 'v' } } });
      const status = readStatus(statusTrailers(toGrpcStatus(sent)));
      const received = fromGrpcStatus(status!);
      expect(received.spec.grpc).toBe(sent.spec.grpc);
      expect(received.message).toBe(sent.message);
      expect(received.details).toEqual(sent.details);
      expect(remoteStatusOf(received)?.code).toBe(sent.spec.grpc);
    }
    expect(remoteStatusOf(new ProaError('internal', 'x', { cause: new Error('y') }))).toBeUndefined();
    // The reason of one of our own errors brings its code back.
    const own = fromGrpcStatus(toGrpcStatus(new ProaError('pubsub.not-found', 'x')));
    expect(own.code).toBe('pubsub.not-found');
    expect(toGrpcStatus(new TypeError('x')).code).toBe('INTERNAL');
  });

  it('shorten messages that no peer would take, and survive damaged details', () => {
    expect(statusTrailers(toGrpcStatus(new ProaError('internal', 'x'.repeat(100_000)))).join('').length).toBeLessThan(4096);
    const status = readStatus(['grpc-status', '7', 'grpc-status-details-bin', '!!!!////', 'x-more', 'y']);
    expect(status).toMatchObject({ code: 'PERMISSION_DENIED', details: [], metadata: ['x-more', 'y'] });
    expect(readStatus(['grpc-status', 'abc'])?.code).toBe('UNKNOWN');
    expect(readStatus(['x', 'y'])).toBeUndefined();
  });

  it('follow the tables', () => {
    expect(grpcCodes.map((code) => grpcNumber(code))).toEqual(Array.from({ length: 17 }, (_, i) => i));
    expect(grpcCodeOf(99)).toBe('UNKNOWN');
    expect(grpcCodes.map(httpFromGrpc)).toEqual([200, 408, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
    expect([200, 204, 400, 401, 403, 404, 408, 409, 429, 500, 501, 503, 504, 302, 418].map(grpcFromHttp)).toEqual([
      'OK',
      'OK',
      'INTERNAL',
      'UNAUTHENTICATED',
      'PERMISSION_DENIED',
      'NOT_FOUND',
      'CANCELLED',
      'ALREADY_EXISTS',
      'RESOURCE_EXHAUSTED',
      'UNKNOWN',
      'UNIMPLEMENTED',
      'UNAVAILABLE',
      'DEADLINE_EXCEEDED',
      'UNKNOWN',
      'UNKNOWN',
    ]);
    expect(statusOfHttp('404').code).toBe('UNIMPLEMENTED');
    expect(statusOfHttp('503').code).toBe('UNAVAILABLE');
    expect([-1, 7, 8, 11, 12, 2].map((code) => statusOfReset(code).code)).toEqual([
      'UNAVAILABLE',
      'UNAVAILABLE',
      'CANCELLED',
      'RESOURCE_EXHAUSTED',
      'PERMISSION_DENIED',
      'INTERNAL',
    ]);
  });
});
