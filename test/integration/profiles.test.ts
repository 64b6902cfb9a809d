import { connect } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import { createMachine, freePort, startSidecar } from '../compat/sidecar.ts';

const machine = createMachine();
afterAll(() => machine.remove());

/** The status line of a request with a Host of its own; `fetch` sets that header itself. */
function statusWithHost(port: string, host: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(`GET /debug/pprof/heap HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`),
    );
    socket.once('data', (answer) => {
      socket.destroy();
      resolve(answer.toString('latin1').split('\r\n')[0] as string);
    });
    socket.once('error', reject);
  });
}

describe('--enable-profiling', () => {
  it('serves CPU profiles and heap snapshots to this machine only, one at a time', async () => {
    const port = await freePort();
    const sidecar = await startSidecar({ appId: 'profiled', machine, flags: ['--enable-profiling', '--profile-port', port] });
    const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}/debug/pprof${path}`);
    // One of the two is told to wait; which one was first is the kernel's affair. A machine that stalls for longer than a profile takes lets one after the other in.
    let statuses: number[] = [];
    for (let seconds = 0.5; !statuses.includes(409); seconds *= 2) {
      const both = await Promise.all([get(`/profile?seconds=${seconds}`), get(`/profile?seconds=${seconds}`)]);
      statuses = both.map(({ status }) => status);
      const taken = both.find(({ status }) => status === 200) as Response;
      expect(await taken.json()).toMatchObject({ nodes: expect.any(Array), samples: expect.any(Array) });
    }
    expect(new Set(statuses)).toEqual(new Set([200, 409]));
    const heap = await get('/heap');
    expect(heap.headers.get('content-disposition')).toContain('proa.heapsnapshot');
    expect(await heap.json()).toMatchObject({ snapshot: { node_count: expect.any(Number) } });

    expect((await get('/profile?seconds=1e9')).status).toBe(400);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get('')).status).toBe(200);
    expect(await statusWithHost(port, 'rebound.example')).toContain('403');
    expect((await sidecar.get('/v1.0/healthz')).status).toBe(204);
    expect(await sidecar.stop()).toBe(0);
  });

  it('is off without the flag', async () => {
    const port = await freePort();
    const sidecar = await startSidecar({ appId: 'plain', machine, flags: ['--profile-port', port] });
    await expect(fetch(`http://127.0.0.1:${port}/debug/pprof/heap`)).rejects.toThrow();
    await sidecar.stop();
  });
});
