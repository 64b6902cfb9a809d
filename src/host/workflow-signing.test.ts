import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createFakeClock } from '../testing/fake-clock.ts';
import { startHost } from './host.ts';
import type { RunningHost } from './host-api.ts';
import { openSigning } from './workflow-signing.ts';
import type { WorkflowWiring } from './workflow-wiring.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'proa-workflow-signing-'));
  mkdirSync(join(directory, 'data'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function started(enabled: boolean): Promise<RunningHost> {
  const file = join(directory, 'config.yaml');
  writeFileSync(
    file,
    `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: { name: c }\nspec: { features: [{ name: WorkflowHistorySigning, enabled: ${enabled} }] }\n`,
  );
  const host = await startHost({
    ports: nodePorts(),
    apps: [appSpec('shop', { namespace: 'default', configPaths: [file] })],
    shared: { dataDirectory: join(directory, 'data'), logLevel: 'info', logFormat: 'json', graceMs: 5_000, mode: 'run' },
    events: () => {},
  });
  await Promise.all(host.apps.map(({ ready }) => ready));
  return host;
}

describe('the feature WorkflowHistorySigning of a running host', () => {
  it('signs by the identity of the app in the mesh, and says so; what is signed needs it', async () => {
    let host = await started(true);
    const api = async (method: string, path: string): Promise<unknown> => {
      const answer = await fetch(`http://127.0.0.1:${host.apps[0]?.httpPort}/proa/v1/workflows${path}`, { method });
      return answer.json();
    };
    try {
      for (const id of ['17', '18']) await api('POST', `?name=order&id=${id}`);
      await api('POST', '/17/terminate');
      expect(await api('GET', '/17')).toMatchObject({
        status: 'TERMINATED',
        signing: { signatures: 1, signedBy: ['default/shop'], verified: true },
      });
      expect(await api('GET', '/18')).not.toHaveProperty('signing');
      await host.stop('another start');
      host = await started(false);
      expect(await api('GET', '/17')).toMatchObject({ status: 'TERMINATED', signing: { signatures: 1, signedBy: [] } });
      await api('POST', '/18/terminate');
      expect(await api('GET', '/18')).not.toHaveProperty('signing');
    } finally {
      await host.stop('end of the test');
    }
  });
});

describe('an identity that cannot be had', () => {
  const wiring = (mesh: () => Promise<unknown>, stopping: () => boolean) =>
    ({ machine: { peers: { mesh } }, stopping }) as unknown as Pick<WorkflowWiring, 'machine' | 'stopping'>;

  it('is waited for, told about, and given up when the runtime ends', async () => {
    const clock = createFakeClock(0);
    const told: string[] = [];
    const log = { ...silentLogger, error: (message: string) => void told.push(message) };
    const context = { ports: { ...nodePorts(), clock }, log, appId: 'shop', namespace: 'default' } as unknown as BlockContext;
    const missing = (): Promise<never> => Promise.reject(new ProaError('identity.unavailable', 'no authority'));
    let asked = 0;
    const late = openSigning(
      context,
      wiring(
        () => (asked++ === 0 ? missing() : Promise.resolve({ source: {} })),
        () => false,
      ),
    );
    await expect.poll(() => clock.waiting).toBe(1);
    expect(told).toEqual(['histories of workflows cannot be signed yet: workflows wait for it']);
    clock.advance(1_000);
    expect(await late).toHaveProperty('signer');
    let stopping = false;
    const never = openSigning(
      context,
      wiring(missing, () => stopping),
    );
    await expect.poll(() => clock.waiting).toBe(1);
    stopping = true;
    clock.advance(1_000);
    await expect(never).rejects.toMatchObject({ code: 'unavailable' });
    await expect(
      openSigning(
        context,
        wiring(missing, () => true),
      ),
    ).rejects.toMatchObject({ code: 'identity.unavailable' });
  });
});
