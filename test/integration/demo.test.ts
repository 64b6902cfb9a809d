import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../dist/bin/proa.cjs', import.meta.url));
let place: string;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the program without a terminal, in its own process group and with a state directory of its own. */
function proa(
  folder: string,
  args: readonly string[],
  until?: { readonly shows: string; readonly signal: NodeJS.Signals },
): Promise<Ended> {
  const cwd = join(place, folder);
  mkdirSync(cwd, { recursive: true });
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', HOME: place, PROA_STATE_DIR: join(place, `${folder} state`), NO_COLOR: '1', DEMO_RUN: place },
  });
  let out = '';
  let err = '';
  let told = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (told || until === undefined || !out.includes(until.shows)) return;
    told = true;
    child.kill(until.signal);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

/** Processes that carry this test's mark in their environment (Linux). */
function leftOvers(): string[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`DEMO_RUN=${place}`);
      } catch {
        return false;
      }
    });
}

beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'proa demo '));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));

interface Summary {
  readonly placed: number;
  readonly completed: number;
  readonly data: string;
  readonly orders: readonly { readonly id: string; readonly seen: readonly { readonly status: string; readonly afterMs: number }[] }[];
}

describe('proa demo', () => {
  it('completes every order, twice over the same data and twice side by side, and leaves no process behind', async () => {
    // The usual half a minute is for a user who looks on; a machine that is busy with other things may take longer for three shops.
    const once = ['demo', '--once', '--json', '--timeout', '4m'];
    const runs = await Promise.all([proa('left', once), proa('right', once)]);
    runs.push(await proa('left', once));
    const ids = new Set<string>();
    for (const { code, out, err } of runs) {
      expect({ code, err }).toEqual({ code: 0, err: '' });
      const summary = JSON.parse(out) as Summary;
      expect(summary).toMatchObject({ demo: 'food-delivery', placed: 5, completed: 5 });
      expect(existsSync(summary.data)).toBe(true);
      for (const { id, seen } of summary.orders) {
        ids.add(id);
        expect(seen.at(-1)?.status).toBe('completed');
      }
    }
    expect(ids.size).toBe(15);
    expect(leftOvers()).toEqual([]);
  });

  it('shows orders and what to type next until Ctrl-C, without colours or noise of the SDK', async () => {
    const { code, out, err } = await proa('show', ['demo', '--timeout', '4m'], { shows: 'Ctrl-C ends the demo', signal: 'SIGINT' });
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/order-[0-9a-f]{8} {2}completed {2}\w/);
    expect(out).toContain('proa invoke --app-id place-order');
    expect(out).not.toMatch(/\u001b|HTTPServerImpl/);
    const ready = out.split('\n').filter((line) => line.endsWith('│ ready'));
    expect(ready).toHaveLength(5);
    expect(leftOvers()).toEqual([]);
  });

  it('says what is missing and fails when time is up', async () => {
    const { code, err } = await proa('late', ['demo', '--once', '--timeout', '1ms']);
    expect(code).toBe(1);
    expect(err).toMatch(/not ready in time: .*place-order|orders were not completed in time/);
    expect(leftOvers()).toEqual([]);
  });
});
