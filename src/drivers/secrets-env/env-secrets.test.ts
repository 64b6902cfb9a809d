import { describe, expect, it } from 'vitest';
import { recordingLogger, testDriverContext } from '../../testing/driver-context.ts';
import { secretsSuite } from '../../testing/secrets-suite.ts';
import driver from './index.ts';

secretsSuite({ name: 'secretstores.local.env', open: (env) => driver.open({ prefix: '' }, testDriverContext({ env })) });

describe('secretstores.local.env', () => {
  it('adds the prefix when it reads and takes it off when it lists', async () => {
    const env = { MY_A: '1', MY_: 'nameless', OTHER: '2' };
    const store = await driver.open({ prefix: 'MY_' }, testDriverContext({ env }));
    expect(await store.get('A', {})).toEqual({ A: '1' });
    expect(await store.get('OTHER', {})).toBeUndefined();
    expect(await store.bulkGet({})).toEqual({ A: { A: '1' } });
  });

  it('never gives out the tokens of the runtime, not even piecewise through a prefix, and logs the attempt', async () => {
    const lines: string[] = [];
    const env = { DAPR_API_TOKEN: 'canary', App_Api_Token: 'canary', PROA_TOKEN: 'canary', HOME: '/' };
    const whole = await driver.open({ prefix: '' }, testDriverContext({ env, log: recordingLogger(lines) }));
    for (const name of ['DAPR_API_TOKEN', 'App_Api_Token', 'PROA_TOKEN']) expect(await whole.get(name, {})).toBeUndefined();
    expect(await whole.bulkGet({})).toEqual({ HOME: { HOME: '/' } });
    const prefixed = await driver.open({ prefix: 'DAPR_' }, testDriverContext({ env, log: recordingLogger(lines) }));
    expect(await prefixed.get('API_TOKEN', {})).toBeUndefined();
    expect(await prefixed.bulkGet({})).toEqual({});
    expect(lines).toHaveLength(4);
    expect(lines.join()).not.toContain('canary');
  });
});
