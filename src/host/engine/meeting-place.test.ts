import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePorts } from '../../ports/node/index.ts';
import { openSharedEngine } from './open-shared-engine.ts';

const directory = mkdtempSync(join(tmpdir(), 'proa-meeting-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('a data directory that is a file is told as what it is', async () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  const open = (path: string) => openSharedEngine({ ports: nodePorts(), directory: path, role: 'client', name: 'x' });
  for (const path of [file, join(file, 'below')])
    await expect(open(path)).rejects.toMatchObject({ code: 'component.init-failed', hint: 'it is no directory: choose another one' });
});
