import { describe, expect, it } from 'vitest';
import { placeOf } from './place.ts';

const of = (env: Record<string, string>, options = {}) => placeOf(options, { env: (name) => env[name], cwd: () => '/project' });

describe('where an app finds its runtime', () => {
  it('is said by the environment', () => {
    expect(of({ DAPR_HTTP_PORT: '3500', DAPR_GRPC_PORT: '50001', APP_PORT: '8080', PORT: '1' })).toMatchObject({
      mode: 'http',
      http: { host: '127.0.0.1', port: 3_500 },
      grpc: { host: '127.0.0.1', port: 50_001 },
      appPort: 8_080,
    });
    expect(of({ DAPR_GRPC_PORT: '50001' }).mode).toBe('grpc');
    expect(of({ DAPR_HTTP_PORT: '3500', DAPR_GRPC_PORT: '50001', PROA_MODE: 'grpc' }).mode).toBe('grpc');
    expect(of({ APP_ID: 'shop', PROA_RESOURCES: '/a::/b' })).toMatchObject({
      mode: 'in-process',
      appId: 'shop',
      dataDirectory: '/project/.proa/data',
      resources: ['/a', '/b'],
    });
    expect(of({ DAPR_HTTP_ENDPOINT: 'http://box.local:3500/' }).http).toEqual({ host: 'box.local', port: 3_500 });
    expect(of({ DAPR_GRPC_ENDPOINT: '[::1]:50001' }).grpc).toEqual({ host: '::1', port: 50_001 });
  });

  it('is said by options before that', () => {
    const env = { DAPR_HTTP_PORT: '3500', APP_ID: 'x', PROA_DATA_DIR: '/d', PORT: '1' };
    expect(of(env, { mode: 'in-process', appId: 'y', dataDirectory: '/e', resources: [], port: 7 })).toMatchObject({
      mode: 'in-process',
      appId: 'y',
      dataDirectory: '/e',
      appPort: 7,
    });
  });

  it.each([
    [{ PROA_MODE: 'fast' }, 'PROA_MODE'],
    [{ PROA_MODE: 'http' }, 'DAPR_HTTP_PORT'],
    [{ PROA_MODE: 'grpc' }, 'DAPR_GRPC_PORT'],
    [{}, 'APP_ID'],
    [{ DAPR_HTTP_PORT: 'x' }, 'DAPR_HTTP_PORT'],
    [{ DAPR_HTTP_PORT: '70000' }, 'DAPR_HTTP_PORT'],
    [{ DAPR_HTTP_ENDPOINT: 'https://box:3500' }, 'DAPR_HTTP_ENDPOINT'],
    [{ APP_ID: 'a', APP_PORT: '-1' }, 'APP_PORT'],
  ])('is refused when it is %j', (env: Record<string, string>, name) => {
    expect(() => of(env)).toThrow(name);
  });
});
