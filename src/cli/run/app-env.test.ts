import { describe, expect, it } from 'vitest';
import { appEnvironment, parseEnvFile } from './app-env.ts';

const made = (inherited: Record<string, string>, env: Record<string, string> = {}) =>
  appEnvironment({
    app: { id: 'orders', env, channelAddress: '127.0.0.1' },
    runtime: { httpPort: 1, grpcPort: 2, metricsPort: 3 },
    appPort: 4,
    replica: 0,
    fromFiles: {},
    inherited,
  });

describe('the environment of an app', () => {
  it('holds one token while two are valid, because SDKs send the variable as it is', () => {
    expect(made({ DAPR_API_TOKEN: 'new, old' })['DAPR_API_TOKEN']).toBe('new');
    expect(made({ DAPR_API_TOKEN: 'only' }, { DAPR_API_TOKEN: 'own,other' })['DAPR_API_TOKEN']).toBe('own');
    expect(made({})['DAPR_API_TOKEN']).toBeUndefined();
  });

  it('keeps the password of the database for the runtime', () => {
    expect(made({ PROA_ENGINE: 'postgres://u:secret@h/d', OTHER: 'x' })).toMatchObject({ OTHER: 'x', DAPR_HTTP_PORT: '1', PORT: '4' });
    expect(Object.keys(made({ PROA_ENGINE: 'postgres://u:secret@h/d' }))).not.toContain('PROA_ENGINE');
  });

  it('is read from files', () => {
    expect(parseEnvFile('# no\nexport A=1\nB="two # \\" words" # note\nC=\'three\'\nwrong line\n')).toEqual({
      A: '1',
      B: 'two # " words',
      C: 'three',
    });
  });
});
