import { format, inspect } from 'node:util';
import { expect, it } from 'vitest';
import { createSecret, reveal } from './secret.ts';

const canary = 'c4n4ry';

it('is shown by nothing that prints, however deep it lies', () => {
  const secret = createSecret(canary);
  const prints = [
    String(secret),
    `a${secret as unknown as string}`,
    '' + (secret as unknown as string),
    JSON.stringify({ deep: [secret] }),
    inspect(secret),
    inspect({ deep: [new Map([['k', secret]])] }, { depth: 9, showHidden: true, getters: true }),
    format('%s %o %O %j', secret, secret, secret, secret),
    inspect(new Error(`wrong: ${String(secret)}`, { cause: secret })),
    JSON.stringify(Object.entries(secret)),
    JSON.stringify({ ...secret }),
  ];
  for (const print of prints) expect(print).not.toContain(canary);
  expect(JSON.stringify([secret])).toBe('["***"]');
});

it('gives its text away when asked for it', () => {
  expect([reveal(createSecret(canary)), reveal('plain')]).toEqual([canary, 'plain']);
  expect(() => Object.assign(createSecret(canary), { reveal: () => '' })).toThrow(TypeError);
});
