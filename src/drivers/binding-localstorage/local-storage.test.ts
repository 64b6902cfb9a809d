import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { neverCancelled } from '../../kernel/cancel.ts';
import { createNodeDisk } from '../../ports/node/disk.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { bindingSuite } from '../../testing/binding-suite.ts';
import { testDriverContext } from '../../testing/driver-context.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import driver from './index.ts';

bindingSuite({
  name: 'bindings.localstorage',
  open: () => driver.open({ rootPath: '/data' }, testDriverContext({ disk: createMemoryDisk() })),
  example: { operation: 'create', data: 'text', metadata: { fileName: 'a.txt' } },
});

describe('bindings.localstorage on a real disk', () => {
  let base = '';
  let root = '';
  beforeAll(() => {
    base = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'localstorage-')));
    root = path.join(base, 'root');
  });
  afterAll(() => fs.rmSync(base, { recursive: true, force: true }));

  const open = (rootPath = root) =>
    driver.open({ rootPath }, testDriverContext({ disk: createNodeDisk(createNodeRandom()), name: 'files' }));
  async function run(operation: string, fileName?: string, data = ''): Promise<string> {
    const binding = await open();
    const metadata = fileName === undefined ? {} : { fileName };
    const response = await binding.output?.invoke({ operation, data: Buffer.from(data), metadata }, neverCancelled);
    return Buffer.from(response?.data ?? []).toString();
  }

  it('creates, reads, lists and deletes, in the shapes of Dapr', async () => {
    expect(await run('create', 'sub/a.txt', '"hello world"')).toBe('{"fileName":"sub/a.txt"}');
    expect(await run('get', 'sub/a.txt')).toBe('hello world');
    expect(fs.statSync(path.join(root, 'sub/a.txt')).mode & 0o777).toBe(0o600);
    const { fileName } = JSON.parse(await run('create', undefined, '{"n":1}')) as { fileName: string };
    expect(fileName).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(await run('list'))).toEqual([path.join(root, fileName), path.join(root, 'sub/a.txt')]);
    expect(JSON.parse(await run('list', 'sub'))).toEqual([path.join(root, 'sub/a.txt')]);
    await run('delete', 'sub/a.txt');
    await expect(run('get', 'sub/a.txt')).rejects.toThrow(`file not found: ${root}/sub/a.txt`);
    await expect(run('delete', 'sub/a.txt')).rejects.toThrow('no such file');
    await expect(run('list', fileName)).rejects.toThrow('not a directory');
    await expect(run('get', 'sub')).rejects.toThrow('it is not a file');
  });

  it.each([
    ['plain text stays', 'hello world!', 'hello world!'],
    ['a JSON text loses its quotes', '"a\\nb"', 'a\nb'],
    ['base64 is decoded', 'aGVsbG8gd29ybGQ=', 'hello world'],
    ['base64 in a JSON text is decoded', '"aGVsbG8gd29ybGQ="', 'hello world'],
    ['other JSON stays', '{"a":"b"}', '{"a":"b"}'],
    ['what only resembles base64 stays', 'aGVsbG8=gd29', 'aGVsbG8=gd29'],
    ['a broken JSON text stays', '"a\\"', '"a\\"'],
    ['nothing is a file of no bytes', '', ''],
  ])('stores what the data stands for: %s', async (_name, data, stored) => {
    await run('create', 'stored', data);
    expect(fs.readFileSync(path.join(root, 'stored'), 'utf8')).toBe(stored);
  });

  it('refuses every way out of the root path', async () => {
    await run('create', 'inside', 'in side');
    fs.writeFileSync(path.join(base, 'outside'), 'canary');
    fs.symlinkSync(path.join(base, 'outside'), path.join(root, 'link'));
    fs.symlinkSync(base, path.join(root, 'up'));
    fs.symlinkSync(path.join(base, 'not-there'), path.join(root, 'dangling'));
    fs.symlinkSync('inside', path.join(root, 'alias'));
    for (const fileName of ['../outside', 'sub/../../outside', 'link', 'up/outside', 'up/new', 'dangling', 'dangling/x', 'a\0b', '..']) {
      for (const operation of ['create', 'get', 'delete', 'list'])
        await expect(run(operation, fileName, 'x y')).rejects.toThrow(/leads out of|link to nothing|NUL/);
    }
    expect(fs.readdirSync(base).toSorted()).toEqual(['outside', 'root']);
    expect(fs.readFileSync(path.join(base, 'outside'), 'utf8')).toBe('canary');
    expect(await run('get', '/inside')).toBe('in side');
    expect(await run('get', 'alias')).toBe('in side');
    expect(await run('list')).not.toMatch(/link|up|dangling|outside/);
    for (const fileName of ['', '.', 'dir/']) await expect(run('delete', fileName)).rejects.toThrow(/the root path|no such file/);
    await expect(run('create', 'dir/')).rejects.toThrow('names a directory');
  });

  it('refuses roots where no data belongs, also through a link, and files', async () => {
    fs.symlinkSync('/proc', path.join(base, 'proc-link'));
    for (const rootPath of [
      '/proc',
      '/proc/self',
      '/sys/x',
      '/boot/data',
      '/var/run/secrets/x',
      path.join(base, 'proc-link/x'),
      path.join(base, 'outside'),
    ]) {
      await expect(open(rootPath)).rejects.toMatchObject({
        code: 'component.init-failed',
        message: expect.stringMatching(/^binding files: property rootPath/),
      });
    }
  });
});
