import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { createPlacement } from '../blocks/placement/index.ts';
import { ungoverned } from '../contracts/governance.ts';
import { noMetrics } from '../contracts/metrics.ts';
import { noTracer } from '../contracts/tracer.ts';
import { createMemoryEngine } from '../drivers/engine-memory/memory-engine.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger } from '../kernel/log.ts';
import { nodePorts } from '../ports/node/index.ts';
import { changedEngine } from '../testing/changed-engine.ts';
import type { HostEvent, RunningHost } from './host-api.ts';
import { startHost } from './host.ts';
import { setWorkflowAccess } from './workflow-access.ts';
import { openWorkflows, type WorkflowWiring } from './workflow-wiring.ts';

const policy = (operations: string): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: WorkflowAccessPolicy\nmetadata: { name: access }\nscopes: [target]\n` +
  `spec: { rules: [{ callers: [{ appID: guest }], workflows: [{ name: "*", operations: [${operations}] }] }] }\n`;

let directory: string;
let host: RunningHost;
let events: HostEvent[];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'proa-workflow-access-'));
  mkdirSync(join(directory, 'resources'));
  writeFileSync(join(directory, 'resources', 'access.yaml'), policy('schedule'));
  events = [];
  host = await startHost({
    ports: nodePorts(),
    apps: ['target', 'guest'].map((id) => appSpec(id, { resourcePaths: [join(directory, 'resources')] })),
    shared: { dataDirectory: join(directory, 'data'), logLevel: 'info', logFormat: 'json', graceMs: 5_000, mode: 'run' },
    events: (event) => void events.push(event),
  });
  await Promise.all(host.apps.map(({ ready }) => ready));
});

afterEach(async () => {
  await host.stop('end of the test');
  rmSync(directory, { recursive: true, force: true });
});

const api = async (app: number, path: string, init?: RequestInit): Promise<{ status: number; body: string }> => {
  const answer = await fetch(`http://127.0.0.1:${host.apps[app]?.httpPort}/v1.0${path}`, init);
  return { status: answer.status, body: await answer.text() };
};
const reloaded = (): number => events.filter(({ kind }) => kind === 'reloaded').length;

describe('WorkflowAccessPolicies of a running host', () => {
  it('are in effect from the start, change with their file, are reported, and go with it', async () => {
    const start = (app: number, id: string) =>
      api(app, `/workflows/dapr/order/start?instanceID=${id}${app === 1 ? '&appID=target' : ''}`, { method: 'POST', body: '1' });
    const remove = (app: number) => api(app, `/workflows/dapr/a/terminate${app === 1 ? '?appID=target' : ''}`, { method: 'POST' });
    expect((await start(1, 'a')).status).toBe(202);
    const refused = await remove(1);
    expect(refused).toMatchObject({ status: 403 });
    expect(refused.body).toContain('access denied by workflow access policy');
    const named = async (app: number) =>
      (JSON.parse((await api(app, '/metadata')).body) as { workflowAccessPolicies?: unknown }).workflowAccessPolicies;
    expect([await named(0), await named(1)]).toEqual([[{ name: 'access' }], undefined]);
    const before = reloaded();
    writeFileSync(join(directory, 'resources', 'access.yaml'), policy('terminate'));
    await expect.poll(reloaded).toBeGreaterThan(before);
    await expect.poll(async () => (await remove(1)).status).toBe(202);
    expect((await start(1, 'b')).status).toBe(403);
    expect((await start(0, 'b')).status).toBe(202);
    rmSync(join(directory, 'resources', 'access.yaml'));
    await expect.poll(async () => (await start(1, 'c')).status).toBe(202);
    expect(await named(0)).toBeUndefined();
  });
});

describe('policies that the engine does not take', () => {
  const failing = { setAccess: () => Promise.reject(new Error('the engine is closed')) };

  it.each([
    { ending: false, errors: ['WorkflowAccessPolicies could not be put into effect'] },
    { ending: true, errors: [] },
  ])('are told unless the runtime ends anyway (ending: $ending)', async ({ ending, errors }) => {
    const written: string[] = [];
    const log = { ...silentLogger, error: (message: string) => void written.push(message) };
    await expect(setWorkflowAccess(failing, [], log, () => ending)).rejects.toThrow('the engine is closed');
    expect(written).toEqual(errors);
  });

  it.each([
    { stops: false, errors: ['WorkflowAccessPolicies could not be put into effect'] },
    { stops: true, errors: [] },
  ])(
    'of an earlier runtime stay in effect when this one ends before it can say that there are none (it stops: $stops)',
    async ({ stops, errors }) => {
      const written: string[] = [];
      const log = { ...silentLogger, error: (message: string) => void written.push(message) };
      const ports = nodePorts();
      let answered = 0;
      const engine = changedEngine(createMemoryEngine({ clock: ports.clock }), {
        async get() {
          answered++;
          throw new ProaError('engine.unavailable', 'the engine is closed');
        },
      });
      const placement = createPlacement({
        engine,
        clock: ports.clock,
        log: silentLogger,
        machine: 'here',
        endpoint: () => ({ appId: 'shop', namespace: '', instance: 'a' }),
      });
      const context = { ports, log, metrics: noMetrics, appId: 'shop', namespace: '', govern: ungoverned };
      const resources = { configuration: { workflow: {} }, workflowAccess: [] } as unknown as WorkflowWiring['resources'];
      const machine = { engine } as unknown as WorkflowWiring['machine'];
      const block = openWorkflows(context, { machine, tracer: noTracer, resources, placement, stopping: () => stops });
      await expect.poll(() => answered).toBeGreaterThan(0);
      await new Promise(setImmediate);
      expect(written).toEqual(errors);
      await block.close(0);
      await placement.close();
    },
  );
});
