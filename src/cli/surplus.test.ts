import { describe, expect, it } from 'vitest';
import type { StartHost } from '../host/host-api.ts';
import type { Ports } from '../kernel/ports.ts';
import { nodePorts } from '../ports/node/index.ts';
import { createNodeProcess } from '../ports/node/process.ts';
import { createMemoryDisk } from '../testing/memory-disk.ts';
import { main } from './main.ts';

const noHost: StartHost = async () => {
  throw new Error('no host here');
};

async function cli(args: readonly string[]) {
  let [out, err] = ['', ''];
  const ports: Ports = {
    ...nodePorts(),
    disk: createMemoryDisk(),
    process: {
      ...createNodeProcess(),
      env: (name) => (name === 'PROA_STATE_DIR' ? '/state' : undefined),
      cwd: () => '/p',
      isTerminal: () => false,
      writeOut: (text) => void (out += text),
      writeErr: (text) => void (err += text),
    },
  };
  const code = await main(args, { ports, loadHost: async () => noHost, version: '1.2.3' });
  return { code, out, err };
}

describe('the command line', () => {
  it('refuses a name that is empty: what it was to narrow would be wider, or another', async () => {
    for (const [words, message] of [
      [['wf', 'show', ''], '<id> is empty'],
      [['wf', 'raise', '17', ''], '<event> is empty'],
      [['wf', 'purge', ''], '[id] is empty'],
      [['wf', 'replay', '17', ''], '[id ...] is empty'],
      [['wf', 'start', 'order', '--id', ''], '--id is empty'],
      [['wf', 'purge', '--name', 'order', '--before', ''], '--before is empty'],
      [['wf', 'list', '--attribute', ''], '--attribute is empty'],
      [['job', 'get', 'orders', ''], '<job> is empty'],
      [['job', 'delete', 'orders', '--prefix', ''], '--prefix is empty'],
      [['actor', 'state', 'Cart', ''], '<id> is empty'],
      [['rollout', 'status', ''], '[app] is empty'],
    ] as const) {
      const told = await cli(words);
      expect([told.code, told.err]).toEqual([2, expect.stringContaining(`error: ${message}\n  help: `)]);
    }
  });

  it('refuses words that a command would leave out', async () => {
    for (const words of [
      ['list', 'x'],
      ['version', 'x'],
      ['demo', 'x'],
      ['doctor', '--', 'x'],
      ['invoke', 'x', '-a', 'orders', '-m', 'place'],
      ['publish', '-i', 'orders', '-t', 'placed', '--data', '1', 'x'],
      ['logs', 'orders', 'x'],
      ['help', 'run', 'x'],
    ])
      expect(await cli(words)).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringContaining('error: "x" is one word too many\n  help: proa '),
      });
  });
});
