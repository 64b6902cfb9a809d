import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { component, createMachine, startSidecar, type TestMachine, type TestSidecar } from '../compat/sidecar.ts';

// PROA_EGRESS_ALLOW in the real process: who is meant by the names of its lists.
let machine: TestMachine;
let sidecar: TestSidecar | undefined;
const server = createServer((_request, response) => response.end('reached'));

beforeAll(async () => {
  machine = createMachine();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  expect(await sidecar?.stop()).toBe(0);
});
afterAll(() => {
  server.close();
  machine.remove();
});

describe('lists of what a component may call', () => {
  it('hold for bindings, HTTPEndpoints and URLs by their names', async () => {
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const endpoint = (name: string): string =>
      `apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: { name: ${name} }\nspec: { baseUrl: "${url}" }\n`;
    sidecar = await startSidecar({
      machine,
      appId: 'lists',
      resources: {
        'open.yaml': component('open', 'bindings.http', { url }),
        'shut.yaml': component('shut', 'bindings.http', { url }),
        'web.yaml': endpoint('web'),
        'closed.yaml': endpoint('closed'),
      },
      env: { PROA_EGRESS_ALLOW: `open=127.0.0.1:${port}; web=127.0.0.0/8; *=nowhere.example` },
    });
    const bind = (name: string): Promise<Response> =>
      (sidecar as TestSidecar).get(`/v1.0/bindings/${name}`, { method: 'POST', body: '{"operation":"get"}' });
    const invoke = (name: string): Promise<Response> => (sidecar as TestSidecar).get(`/v1.0/invoke/${encodeURIComponent(name)}/method/m`);
    for (const answer of [await bind('open'), await invoke('web')]) expect([answer.status, await answer.text()]).toEqual([200, 'reached']);
    for (const [owner, answer] of [
      ['shut', await bind('shut')],
      ['closed', await invoke('closed')],
      ['@urls', await invoke(url)],
    ] as const) {
      expect(answer.ok).toBe(false);
      expect(await answer.text()).toContain(`is not called for \\"${owner}\\": PROA_EGRESS_ALLOW does not list it`);
    }
  });

  it('stop a start when they cannot be read', async () => {
    const env = { PROA_EGRESS_ALLOW: 'open=http://x' };
    sidecar = undefined;
    await expect(startSidecar({ machine, appId: 'wrong', env })).rejects.toThrow('PROA_EGRESS_ALLOW: "http://x" is no name');
    sidecar = await startSidecar({ machine, appId: 'right' });
  });
});
