import v8 from 'node:v8';
import { describe, expect, it, vi } from 'vitest';
import type { Child } from '../../kernel/ports.ts';
import { createNodeProcess } from './process.ts';

const port = createNodeProcess();
const node = process.execPath;
const env = { PATH: process.env['PATH'] ?? '' };

/** Starts node with a script; `line` resolves with the first line that it prints. */
function run(script: string): { child: Child; line: Promise<string>; output: () => string } {
  let text = '';
  let found: (line: string) => void = () => {};
  const line = new Promise<string>((resolve) => (found = resolve));
  const child = port.spawn({
    command: node,
    args: ['-e', script],
    env,
    output(stream, chunk) {
      text += `${stream}:${Buffer.from(chunk).toString()}`;
      if (text.includes('\n')) found(text.slice(text.indexOf(':') + 1, text.indexOf('\n')));
    },
  });
  return { child, line, output: () => text };
}

describe('the memory of this process', () => {
  it('is held for what is used, and saved when that is asked for', () => {
    const { rss, heapUsed, heapHeld } = port.memoryBytes();
    expect(heapUsed).toBeGreaterThan(0);
    expect(heapHeld).toBeGreaterThanOrEqual(heapUsed);
    expect(rss).toBeGreaterThan(0);
    const flags = vi.spyOn(v8, 'setFlagsFromString').mockImplementation(() => {});
    try {
      port.saveMemory(true);
      port.saveMemory(false);
      expect(flags.mock.calls).toEqual([['--optimize-for-size'], ['--no-optimize-for-size']]);
    } finally {
      flags.mockRestore();
    }
  });
});

describe.skipIf(process.platform !== 'linux')('node processes', () => {
  it('reports output, exit code and only the environment that was given', async () => {
    const { child, output } = run('console.log(Object.keys(process.env).join()); console.error("bad"); process.exitCode = 3');
    expect(await child.exit).toEqual({ code: 3, signal: undefined });
    expect(output()).toContain('stdout:PATH');
    expect(output()).toContain('stderr:bad');
    expect(port.alive(child.pid)).toBe(false);
  });

  it('says why a command cannot be started, and killing it harms nobody', async () => {
    const child = port.spawn({ command: '/nowhere/at/all', args: [], env, output() {} });
    const end = await child.exit;
    expect(end.error).toMatchObject({ code: 'ENOENT' });
    child.kill('SIGKILL');
    expect(port.alive(process.pid)).toBe(true);
    expect(port.alive(0)).toBe(false);
  });

  it('finds the ports of a whole process tree and kills the tree', async () => {
    const inner = `require('net').createServer().listen(0, '127.0.0.1', function () { console.log(process.pid + ' ' + this.address().port) })`;
    const outer = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(inner)}], { stdio: 'inherit' })`;
    const { child, line } = run(outer);
    const [innerPid, innerPort] = (await line).split(' ').map(Number) as [number, number];
    expect(port.alive(innerPid)).toBe(true);
    expect(innerPid).not.toBe(child.pid);
    expect(await port.listeningPorts(child.pid)).toEqual([innerPort]);
    const started = port.startTicks(child.pid);
    expect(started).toBeGreaterThan(0);
    expect(port.startTicks(child.pid)).toBe(started);
    child.kill('SIGKILL');
    expect(await child.exit).toEqual({ code: undefined, signal: 'SIGKILL' });
    await expect.poll(() => port.alive(innerPid)).toBe(false);
    expect(port.startTicks(2 ** 30)).toBeUndefined();
  });
});
