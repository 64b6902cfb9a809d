import { describe, expect, it } from 'vitest';
import { otlpTarget, pairsOf } from './otlp-target.ts';

const otel = { protocol: 'grpc', endpointAddress: 'collector:4317', isSecure: false, headers: { Team: 'a' }, timeoutMs: 3_000 } as const;
const of = (from: Partial<typeof otel> | undefined, env: Readonly<Record<string, string>> = {}) =>
  otlpTarget(from === undefined ? undefined : { ...otel, ...from }, (name) => env[name.slice('OTEL_EXPORTER_OTLP_'.length)] ?? '');

describe('where spans go over OTLP', () => {
  it('is what the Configuration says', () => {
    expect(of({})).toEqual({ protocol: 'grpc', url: 'http://collector:4317/', headers: ['team', 'a'], timeoutMs: 3_000 });
    expect(of({ isSecure: true } as never)?.url).toBe('https://collector:4317/');
    expect(of({ protocol: 'http' } as never)?.url).toBe('http://collector:4317/v1/traces');
    expect(of({ protocol: 'http', endpointAddress: 'https://c/own' } as never)?.url).toBe('https://c/own');
    expect(of({ endpointAddress: '' } as never)).toBeUndefined();
    expect(of(undefined)).toBeUndefined();
  });

  it('follows the variables of OpenTelemetry first', () => {
    const ENDPOINT = 'http://other:1/base/';
    expect(of({}, { ENDPOINT })).toMatchObject({ protocol: 'grpc', url: 'http://other:1/base/' });
    expect(of({}, { ENDPOINT, PROTOCOL: 'http/protobuf' })?.url).toBe('http://other:1/base/v1/traces');
    expect(of(undefined, { ENDPOINT })).toMatchObject({
      protocol: 'http/protobuf',
      url: 'http://other:1/base/v1/traces',
      timeoutMs: 10_000,
    });
    expect(of(undefined, { ENDPOINT, TRACES_ENDPOINT: 'http://t:2/x' })?.url).toBe('http://t:2/x');
    expect(of(undefined, { ENDPOINT, PROTOCOL: 'grpc', TRACES_PROTOCOL: 'http/json' })?.protocol).toBe('http/json');
    expect(of({ protocol: 'http' } as never, { PROTOCOL: 'http/protobuf' })?.protocol).toBe('http/protobuf');
    expect(of({ isSecure: true } as never, { ENDPOINT: 'bare:4317', INSECURE: 'true' })?.url).toBe('http://bare:4317/');
    expect(of({}, { ENDPOINT: 'bare:4317', INSECURE: 'false' })?.url).toBe('https://bare:4317/');
    expect(of({}, { HEADERS: 'X-Key=a=b, =c,d', TIMEOUT: '50' })).toMatchObject({ headers: ['team', 'a', 'x-key', 'a=b'], timeoutMs: 50 });
    expect(of({}, { TIMEOUT: 'soon' })?.timeoutMs).toBe(3_000);
  });

  it('is nowhere when the address is none', () => {
    for (const ENDPOINT of ['http://', 'a b', 'http://x:999999']) expect(of(undefined, { ENDPOINT })).toBeUndefined();
  });
});

describe('pairs', () => {
  it('are what has a name and a value', () => {
    expect(pairsOf('a=1,b = 2 ,c,=d,e=')).toEqual({ a: '1', b: '2', e: '' });
    expect(pairsOf('')).toEqual({});
  });
});
