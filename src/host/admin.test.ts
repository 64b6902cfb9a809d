import { describe, expect, it } from 'vitest';
import { driverIndex } from '../gen/drivers.ts';
import { createMemoryDisk } from '../testing/memory-disk.ts';
import { loadResources } from './config/load-resources.ts';
import { configuredResources } from './configured.ts';
import type { AppSpec } from './host-api.ts';
import { settingsOf } from './settings.ts';

const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: files }
spec:
  type: secretstores.local.env
  version: v1
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: out }
spec:
  type: bindings.http
  version: v1
  metadata:
    - name: url
      value: https://me:s3cr3t@host/x
    - name: MTLSClientKey
      value: s3cr3t
    - name: responseTimeout
      value: 5s
    - name: securityToken
      envRef: S3CR3T_NAME
---
apiVersion: proa.dev/v1alpha1
kind: Policy
metadata: { name: p }
spec:
  target: { app: orders }
  timeout: 2s
  fallback: { answer: { body: s3cr3t } }
`;
const configuration = `apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: { name: c }
spec:
  tracing:
    samplingRate: "0.5"
    otel:
      endpointAddress: me:s3cr3t@collector
      headers: authorization=s3cr3t
`;

describe('what is configured', () => {
  it('has the place of every value and no secret', async () => {
    const disk = createMemoryDisk({ '/r/all.yaml': yaml, '/c.yaml': configuration });
    const loaded = await loadResources({ disk, paths: ['/r'], configPaths: ['/c.yaml'], appId: 'web', drivers: driverIndex });
    expect(loaded.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    const resources = configuredResources(loaded);
    expect(JSON.stringify(resources)).not.toContain('s3cr3t');
    const values = (kind: string, name: string) => {
      const found = resources.find((each) => each.kind === kind && each.name === name);
      return Object.fromEntries((found?.values ?? []).map(({ name: value, ...rest }) => [value, rest]));
    };
    expect(values('Component', 'out')).toMatchObject({
      url: { value: 'https://***@host/x', origin: { from: 'file', at: '/r/all.yaml:16' } },
      MTLSClientKey: { value: '***' },
      responseTimeout: { value: '5s', origin: { from: 'file', at: '/r/all.yaml:20' } },
      'securityToken (environment S3CR3T_NAME)': { value: '***' },
    });
    expect(values('Policy', 'p')['timeout']).toEqual({ value: '{"timeoutMs":2000}', origin: { from: 'file', at: '/r/all.yaml:29' } });
    expect(values('Configuration', 'c')).toMatchObject({
      'spec.tracing.samplingRate': { value: 0.5, origin: { from: 'file', at: '/c.yaml:6' } },
      'spec.metrics.enabled': { value: true, origin: { from: 'default' } },
      'spec.tracing.otel.headers': { value: ['authorization=***'] },
    });
  });

  it('tells flags, environment and defaults apart', () => {
    const spec = {
      id: 'web',
      appPort: 3_000,
      listenAddresses: [],
      origins: { 'app-port': { from: 'file', at: '/proa.yaml:3' } },
    } as unknown as AppSpec;
    const variables: Record<string, string> = { DAPR_API_TOKEN: 's3cr3t', PROA_ZONE: 'z1', PROA_ENGINE: 'postgres://u:s3cr3t@h/d' };
    const settings = settingsOf(spec, { env: (name) => variables[name] });
    expect(JSON.stringify(settings)).not.toContain('s3cr3t');
    expect(settings).toEqual(
      expect.arrayContaining([
        { name: 'app-port', value: 3_000, origin: { from: 'file', at: '/proa.yaml:3' } },
        { name: 'app-id', value: 'web', origin: { from: 'default' } },
        { name: 'PROA_ZONE', value: 'z1', origin: { from: 'environment', name: 'PROA_ZONE' } },
        { name: 'DAPR_API_TOKEN', value: '***', origin: { from: 'environment', name: 'DAPR_API_TOKEN' } },
        { name: 'PROA_ENGINE', value: '***', origin: { from: 'environment', name: 'PROA_ENGINE' } },
      ]),
    );
  });
});
