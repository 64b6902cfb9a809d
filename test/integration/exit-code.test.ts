import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'proa-exit-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs an app that ends with 3 and, from the moment the run says that it is over, sends SIGTERM without pause until the process is gone. */
function endedUnderSignals(): Promise<readonly [code: number | null, signal: string | null, sent: number]> {
  const flags = ['run', '--json', '--app-id', 'ends', '--dapr-http-port', '0', '--data-dir', join(directory, 'data'), '--no-restart'];
  const env = { ...process.env, PROA_STATE_DIR: join(directory, 'state') };
  const run = spawn(process.execPath, [program, ...flags, '--', process.execPath, '-e', 'process.exit(3)'], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return new Promise((resolve) => {
    let output = '';
    let sent = 0;
    let over = false;
    const storm = (): void => {
      if (over) return;
      if (run.kill('SIGTERM')) sent++;
      setImmediate(storm);
    };
    run.stdout.setEncoding('utf8').on('data', (text: string) => {
      const before = output.includes('"stopped"');
      output += text;
      if (!before && output.includes('"stopped"')) storm();
    });
    run.once('exit', (code, signal) => {
      over = true;
      resolve([code, signal, sent]);
    });
  });
}

describe('the exit code of a run', () => {
  it('is its own, whatever signals come while the process ends', async () => {
    let sent = 0;
    for (let i = 0; i < 8; i++) {
      const [code, signal, some] = await endedUnderSignals();
      expect([code, signal]).toEqual([3, null]);
      sent += some;
    }
    expect(sent).toBeGreaterThan(0);
  });
});
