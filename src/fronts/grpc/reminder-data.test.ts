import { describe, expect, it } from 'vitest';
import { jsonOfBytes } from './reminder-data.ts';

describe('the data of a reminder that an app registers over gRPC', () => {
  it('is the bytes as a text in base64, also where they are JSON, as Dapr keeps it and its SDKs decode it', () => {
    expect(jsonOfBytes(Buffer.from('{"a":1}'), { metadata: [] })).toEqual({ data: '"eyJhIjoxfQ=="' });
    expect(jsonOfBytes(Uint8Array.of(255, 0), { metadata: ['traceparent', 'proa-json-data'] })).toEqual({ data: '"/wA="' });
    expect(jsonOfBytes(new Uint8Array(0), { metadata: [] })).toEqual({});
  });

  it('stays the JSON that it is for apps that say so', () => {
    expect(jsonOfBytes(Buffer.from('{"a":1}'), { metadata: ['proa-json-data', 'true'] })).toEqual({ data: '{"a":1}' });
  });
});
