import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePorts } from '../ports/node/index.ts';
import { appSpec } from '../../test/fixtures/app-spec.ts';
import { startHost } from './host.ts';
import { appendTo } from './log-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-log-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Real ports whose standard streams are lists. */
function rig() {
  const ports = nodePorts();
  const [out, err]: string[][] = [[], []];
  const streams = { writeOut: (text: string) => void out?.push(text), writeErr: (text: string) => void err?.push(text) };
  const process = new Proxy(ports.process, {
    get: (target, name) => {
      const value: unknown = Reflect.get(streams, name) ?? Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { ports: { ...ports, process }, out, err };
}

describe('a log that goes to a file', () => {
  it('is appended to what is there, in order', async () => {
    const { ports } = rig();
    const path = join(directory, 'ordered.log');
    for (let run = 0; run < 2; run++) {
      const log = appendTo(ports, path);
      for (let i = 0; i < 500; i++) log.add(`run ${run} line ${i}\n`);
      await log.flush();
    }
    const wanted = [0, 1].flatMap((run) => Array.from({ length: 500 }, (_, i) => `run ${run} line ${i}`));
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toEqual(wanted);
  });

  it('goes on at the new end of a file that was cut short', async () => {
    const path = join(directory, 'cut.log');
    const log = appendTo(rig().ports, path);
    log.add('before\n');
    await log.flush();
    truncateSync(path, 0);
    log.add('after\n');
    await log.flush();
    expect(readFileSync(path, 'utf8')).toBe('after\n');
  });

  it('says once that the file cannot be written, and goes to standard output', async () => {
    const { ports, out, err } = rig();
    const log = appendTo(ports, join(directory, 'nowhere', 'x.log'));
    log.add('one\n');
    log.add('two\n');
    await log.flush();
    log.add('three\n');
    expect(out).toEqual(['one\n', 'two\n', 'three\n']);
    expect(err).toEqual([
      expect.stringMatching(/^the log file .*nowhere\/x\.log cannot be written \(ENOENT\): the log goes to standard output\n$/),
    ]);
  });

  it('says how much a slow disk has lost', async () => {
    const path = join(directory, 'flood.log');
    const log = appendTo(rig().ports, path);
    const line = `${'x'.repeat(1_023)}\n`;
    for (let i = 0; i < 1_030; i++) log.add(line);
    await log.flush();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(1_025);
    expect(lines.at(-1)).toBe('[6 lines were dropped: the disk is too slow]');
  });

  it('holds every line of a host and its apps, the last one too', async () => {
    const { ports, out } = rig();
    const path = join(directory, 'host.log');
    const shared = {
      dataDirectory: join(directory, 'data'),
      logLevel: 'info',
      logFormat: 'json',
      logFile: path,
      graceMs: 1_000,
      mode: 'sidecar',
    } as const;
    const host = await startHost({ ports, apps: [appSpec('one', {})], shared, events() {} });
    await host.stop('the test is over');
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { msg: string }).msg);
    expect(lines.slice(-1)).toEqual(['stopped']);
    expect(lines).toContain('stopping');
    expect(lines.length).toBeGreaterThan(2);
    expect(out).toEqual([]);
  });
});
