// What the layers cost by themselves: microseconds per call, in one process, without sockets.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import { directory, root } from './servers.mjs';

export async function run() {
  const outfile = join(directory, 'stack.mjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['bench/stack-subject.ts'],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    outfile,
    logLevel: 'error',
    external: ['pg'],
  });
  const { stack, front } = JSON.parse(execFileSync('taskset', ['-c', '0', process.execPath, outfile]).toString());
  return {
    conditions: 'one core; metrics on, traces propagated, 1 % sampled',
    figures: [
      { name: 'default stack of an invocation (µs)', value: stack, atMost: 2 },
      { name: 'HTTP front and invocation block, sockets and codec left out (µs)', value: front },
    ],
  };
}
