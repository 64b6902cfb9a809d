import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { createNodeProcess } from '../../src/ports/node/process.ts';
import { eventually } from '../compat/sidecar.ts';

// A run that is killed cannot end its applications; they must not keep ports and data for themselves.
const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'proa-orphans-'));
const { alive } = createNodeProcess();
const pids: number[] = [];
afterAll(() => {
  for (const pid of pids) if (alive(pid)) process.kill(pid, 'SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** A shell that starts a program, which writes its process id into a file. */
async function start(name: string, script: string): Promise<{ run: ChildProcess; pid: number }> {
  const file = join(directory, `${name}.cjs`);
  const mark = join(directory, `${name}.pid`);
  writeFileSync(
    file,
    `${script}; require('node:fs').writeFileSync(${JSON.stringify(mark)}, String(process.pid)); setInterval(() => {}, 1000);`,
  );
  const flags = ['run', '--app-id', name, '--dapr-http-port', '0', '--data-dir', join(directory, 'data'), '--no-restart'];
  const command = ['--', '/bin/sh', '-c', `"${process.execPath}" "${file}"; true`];
  const env = { ...process.env, PROA_STATE_DIR: join(directory, 'state') };
  const run = spawn(process.execPath, [program, ...flags, ...command], { env, stdio: 'ignore' });
  pids.push(run.pid as number);
  await eventually(() => existsSync(mark) && readFileSync(mark, 'utf8') !== '', `${name} runs`);
  const pid = Number(readFileSync(mark, 'utf8'));
  pids.push(pid);
  return { run, pid };
}

describe('a run that is killed', () => {
  it('takes its applications along, asking first', async () => {
    const said = join(directory, 'said');
    const { run, pid } = await start(
      'polite',
      `process.on('SIGTERM', () => { require('node:fs').writeFileSync(${JSON.stringify(said)}, 'asked'); process.exit(0); })`,
    );
    expect(alive(pid)).toBe(true);
    run.kill('SIGKILL');
    await eventually(() => !alive(pid), 'the application has ended');
    expect(readFileSync(said, 'utf8')).toBe('asked');
  });

  it('takes those along that do not listen', async () => {
    const { run, pid } = await start('stubborn', `process.on('SIGTERM', () => {})`);
    run.kill('SIGKILL');
    await eventually(() => !alive(pid), 'the application was killed');
  });
});
