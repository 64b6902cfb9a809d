import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { secretsSuite } from '../../testing/secrets-suite.ts';
import { config } from './config.ts';
import driver from './index.ts';

function rig(text: string, metadata: Readonly<Record<string, string>> = {}) {
  const disk = createMemoryDisk({ '/etc/secrets.json': text });
  const lines: string[] = [];
  const context = testDriverContext({ disk, clock: createFakeClock(), log: recordingLogger(lines), name: 'vault' });
  const open = () => driver.open(v.parse(config, { secretsFile: '/etc/secrets.json', ...metadata }), context);
  return { disk, lines, open };
}

secretsSuite({
  name: 'secretstores.local.file',
  open: (secrets) => rig(JSON.stringify(secrets)).open(),
  openMultiple: (secrets) => rig(JSON.stringify(secrets), { multiValued: 'true' }).open(),
});

describe('secretstores.local.file', () => {
  const nested = '{"redis":{"password":"p","ports":[1,2.5,true,null]},"plain":"x"}';

  it('flattens nested objects and arrays with the separator', async () => {
    expect(await (await rig(nested).open()).bulkGet({})).toEqual({
      'redis:password': { 'redis:password': 'p' },
      'redis:ports:0': { 'redis:ports:0': '1' },
      'redis:ports:1': { 'redis:ports:1': '2.5' },
      'redis:ports:2': { 'redis:ports:2': 'true' },
      'redis:ports:3': { 'redis:ports:3': '' },
      plain: { plain: 'x' },
    });
    const dotted = await rig(nested, { nestedSeparator: '.' }).open();
    expect(await dotted.get('redis.password', {})).toEqual({ 'redis.password': 'p' });
  });

  it('keeps the first level with multiValued and flattens below it', async () => {
    const store = await rig(nested, { multiValued: 'yes' }).open();
    expect(await store.get('redis', {})).toEqual({ password: 'p', 'ports:0': '1', 'ports:1': '2.5', 'ports:2': 'true', 'ports:3': '' });
    expect(await store.get('plain', {})).toEqual({ plain: 'x' });
  });

  it('refuses bad files and never quotes what they hold', async () => {
    const cases: [string, RegExp, Record<string, string>?][] = [
      ['{"a": canary}', /not valid JSON/],
      ['["canary"]', /must hold one JSON object/],
      ['{"a:b":"canary","a":{"b":"2"}}', /share the name "a:b"/],
      ['{"a":1}', /"a" must be a text or an object/, { multiValued: 'true' }],
      [`{"a":${'['.repeat(300)}${']'.repeat(300)}}`, /deeper than 256/],
    ];
    for (const [text, message, metadata] of cases) {
      const failure = await rig(text, metadata)
        .open()
        .then(
          () => undefined,
          (error: unknown) => error as Error,
        );
      expect(failure?.message).toMatch(message);
      expect(failure?.message).toContain('secret store vault: cannot read /etc/secrets.json');
      expect(failure?.message).not.toContain('canary');
    }
  });

  it('names the missing file, and refuses metadata that it does not know', async () => {
    const missing = driver.open(v.parse(config, { secretsFile: '/none' }), testDriverContext({ disk: createMemoryDisk(), name: 'vault' }));
    await expect(missing).rejects.toMatchObject({
      code: 'component.init-failed',
      message: expect.stringContaining('/none: there is no such file'),
    });
    for (const bad of [{}, { secretsFile: '' }, { secretsFile: 'f', multiValued: 'perhaps' }, { secretsFile: 'f', other: '1' }]) {
      expect(v.safeParse(config, bad).success).toBe(false);
    }
  });

  it('reads again after a change, and keeps the last good secrets when the new file is broken', async () => {
    const { disk, lines, open } = rig('{"a":"1"}');
    const store = await open();
    disk.put('/etc/secrets.json', '{"a":"2"}');
    expect(await store.get('a', {})).toEqual({ a: '2' });
    disk.put('/etc/secrets.json', '{"a": canary');
    expect(await store.get('a', {})).toEqual({ a: '2' });
    expect(lines.at(-1)).toContain('last good secrets stay');
    expect(lines.join()).not.toContain('canary');
    disk.put('/etc/secrets.json', '{"a":"3"}');
    expect(await store.get('a', {})).toEqual({ a: '3' });
  });
});
