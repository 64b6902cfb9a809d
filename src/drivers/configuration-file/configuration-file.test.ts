import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../../kernel/log.ts';
import { configurationSuite } from '../../testing/configuration-suite.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { createFileConfiguration } from './file-configuration.ts';
import { parseItems } from './parse-items.ts';

const rig = (log: Logger = silentLogger) => {
  const clock = createFakeClock();
  const disk = createMemoryDisk({ '/etc/app.yaml': '{}' });
  const store = createFileConfiguration({ disk, clock, log, path: '/etc/app.yaml', pollMs: 5_000 });
  const settle = async (ms = 200) => {
    for (let step = 0; step < 5; step++) {
      clock.advance(ms / 5);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return { disk, store, settle };
};

configurationSuite({
  name: 'configuration.file',
  async open() {
    const { disk, store, settle } = rig();
    const current: Record<string, string | undefined> = {};
    const write = async (items: Readonly<Record<string, string | undefined>>) =>
      disk.put('/etc/app.yaml', JSON.stringify(Object.assign(current, items)));
    return { store, settle: () => settle(), write, destroy: () => store.close() };
  },
});

describe('configuration from a file', () => {
  it('keeps what it knew while the file is wrong or missing, and says so', async () => {
    const warnings: string[] = [];
    const { disk, store, settle } = rig({ ...silentLogger, warn: (_message, fields) => void warnings.push(String(fields?.['error'])) });
    disk.put('/etc/app.yaml', 'a: 1');
    const heard: unknown[] = [];
    await store.subscribe([], {}, (items) => heard.push({ ...items }));
    disk.put('/etc/app.yaml', 'a: [1');
    await settle();
    await disk.remove('/etc/app.yaml');
    await settle();
    expect(heard).toEqual([]);
    expect(warnings.some((text) => text.includes('there is no such file'))).toBe(true);
    disk.put('/etc/app.yaml', 'a: 2');
    await settle();
    expect(heard).toEqual([{ a: expect.objectContaining({ value: '2' }) }]);
    await store.close();
  });

  it('takes scalars as written and items with version and metadata', () => {
    const items = parseItems('on: true\nempty:\n__proto__: x\nfull: { value: 5, version: v7, metadata: { team: a } }\n', 'f');
    expect(Object.entries(items).map(([key, { value }]) => [key, value])).toEqual([
      ['on', 'true'],
      ['empty', ''],
      ['__proto__', 'x'],
      ['full', '5'],
    ]);
    expect(items['full']).toEqual({ value: '5', version: 'v7', metadata: { team: 'a' } });
  });

  it.each([
    ['a: [1]', 'key "a" must have a text'],
    ['a: { valu: 1 }', 'unknown member `valu`'],
    ['a: { version: 1 }', 'needs a `value`'],
    ['- a', 'it must hold a map'],
    ['a: 1\na: 2', 'unique'],
    ['a: &x 1\nb: *x', 'aliases are not allowed'],
    ['a: {', 'app.yaml'],
  ])('refuses %j', (text, why) => {
    expect(() => parseItems(text, 'app.yaml')).toThrow(
      expect.objectContaining({ code: 'config.invalid', message: expect.stringContaining(why) }),
    );
  });
});
