import { fork, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FromMdnsWorker } from './mdns-worker.ts';

// Loopback takes part in multicast when its address is named, whatever the flags of the interface say: no packet leaves the machine.
const scratch = mkdtempSync(join(tmpdir(), 'proa-mdns-'));
const bundle = join(scratch, 'worker.mjs');
const running = new Set<ChildProcess>();

beforeAll(async () => {
  const entryPoints = [join(import.meta.dirname, 'mdns-worker.ts')];
  const banner = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" };
  await build({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: bundle, banner, logLevel: 'error' });
});
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind({ port: 0, address: '127.0.0.1' }, resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** A process that announced `instance`. */
async function start(port: number, instance: string) {
  const child = fork(bundle, [String(port), instance], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  running.add(child);
  const next = <Is extends FromMdnsWorker['is']>(is: Is): Promise<Extract<FromMdnsWorker, { readonly is: Is }>> =>
    new Promise((resolve, reject) => {
      const over = (): void => {
        child.off('message', heard);
        child.off('exit', ended);
      };
      const heard = (message: FromMdnsWorker): void => {
        if (message.is !== is) return;
        over();
        resolve(message as Extract<FromMdnsWorker, { readonly is: Is }>);
      };
      const ended = (code: number | null): void => {
        over();
        reject(new Error(`the process of ${instance} ended with ${code}`));
      };
      child.on('message', heard).on('exit', ended);
    });
  await next('announced');
  return {
    async finds(): Promise<readonly string[]> {
      const found = next('found');
      child.send('find');
      return (await found).instances;
    },
    async leave(): Promise<void> {
      const left = next('left');
      child.send('leave');
      await left;
    },
    async crash(): Promise<void> {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
}

describe('mdns between processes, over the multicast of loopback', () => {
  it('shows each the others, forgets who says farewell, and who fell silent when its time is over', async () => {
    const port = await freePort();
    const one = await start(port, 'one-00000001');
    const two = await start(port, 'two-00000002');
    const three = await start(port, 'three-0000003');
    const finds = (instances: readonly string[]) => expect.poll(() => one.finds(), { timeout: 60_000 }).toEqual(instances);
    await finds(['one-00000001', 'three-0000003', 'two-00000002']);
    await expect.poll(() => two.finds(), { timeout: 60_000 }).toContain('one-00000001');
    await two.leave();
    await finds(['one-00000001', 'three-0000003']);
    await three.crash();
    await finds(['one-00000001']);
  });
});
