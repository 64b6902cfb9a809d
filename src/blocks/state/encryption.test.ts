import { createCipheriv } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Component } from '../../contracts/component-set.ts';
import { createNodeRandom } from '../../ports/node/random.ts';
import { createStateCipher } from './encryption.ts';

const random = createNodeRandom();
const primaryEncryptionKey = '00112233445566778899aabbccddeeff'.repeat(2);
const secondaryEncryptionKey = 'ffeeddccbbaa99887766554433221100';
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

function cipher(
  properties: Record<string, string>,
  secretNames: Record<string, string> = { primaryEncryptionKey: 'k1', secondaryEncryptionKey: 'k2' },
) {
  const made = createStateCipher({ name: 'store', properties, secretNames } as unknown as Component<'state'>, random);
  if (made === undefined) throw new Error('no cipher');
  return made;
}

/** As Dapr writes it: nonce, ciphertext and tag in base64, the key's name behind. */
function daprRecord(key: string, name: string, value: string): Uint8Array {
  const nonce = Buffer.alloc(12, 7);
  const sealer = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), nonce);
  const sealed = Buffer.concat([nonce, sealer.update(value), sealer.final(), sealer.getAuthTag()]);
  return bytes(`${sealed.toString('base64')}||${name}`);
}

describe('state encryption', () => {
  it('round-trips, never twice the same, and names the key in the record', () => {
    const { encrypt, decrypt } = cipher({ primaryEncryptionKey });
    const [one, two] = [encrypt('k', bytes('{"a":1}')), encrypt('k', bytes('{"a":1}'))];
    expect(text(one)).toMatch(/^b1\.[A-Za-z0-9+/]+=*\|\|k1$/);
    expect(text(one)).not.toBe(text(two));
    expect(text(decrypt('k', one))).toBe('{"a":1}');
    expect(text(decrypt('k', encrypt('k', bytes(''))))).toBe('');
    expect(decrypt('k', new Uint8Array(0))).toHaveLength(0);
  });

  it('reads records of Dapr, and writes them when told so', () => {
    const proa = cipher({ primaryEncryptionKey });
    expect(text(proa.decrypt('any', daprRecord(primaryEncryptionKey, 'k1', 'hello')))).toBe('hello');
    const dapr = cipher({ primaryEncryptionKey, encryptionFormat: 'dapr' });
    const record = dapr.encrypt('k', bytes('hello'));
    expect(text(record)).toMatch(/^[A-Za-z0-9+/]+=*\|\|k1$/);
    expect(text(proa.decrypt('k', record))).toBe('hello');
  });

  it('reads what was written before a rotation, also when both keys lie in one secret', () => {
    for (const names of [
      { primaryEncryptionKey: 'new', secondaryEncryptionKey: 'old' },
      { primaryEncryptionKey: 's', secondaryEncryptionKey: 's' },
    ]) {
      const before = cipher({ primaryEncryptionKey: secondaryEncryptionKey }, { primaryEncryptionKey: names.secondaryEncryptionKey });
      const after = cipher({ primaryEncryptionKey, secondaryEncryptionKey }, names);
      expect(text(after.decrypt('k', before.encrypt('k', bytes('v'))))).toBe('v');
      expect(() => before.decrypt('k', after.encrypt('k', bytes('v')))).toThrow('could not decrypt data for state store store');
    }
  });

  it('refuses records that were moved, damaged, cut or written with unknown keys', () => {
    const { encrypt, decrypt } = cipher({ primaryEncryptionKey });
    const record = text(encrypt('k', bytes('value')));
    const sealed = record.slice(3, record.indexOf('||'));
    const flipped = `${sealed[0] === 'A' ? 'B' : 'A'}${sealed.slice(1)}`;
    for (const [key, bad] of [
      ['other', record],
      ['k', record.slice(3)],
      ['k', `b1.${flipped}||k1`],
      ['k', 'b1.AAAA||k1'],
      ['k', record.replace('||k1', '||k9')],
      ['k', record.replace('||k1', '||')],
      ['k', 'plain text'],
    ] as const) {
      expect(() => decrypt(key, bytes(bad))).toThrow('could not decrypt data for state store store');
    }
  });

  it('refuses keys that are none, without printing them', () => {
    for (const properties of [
      { primaryEncryptionKey: 'secret-no-hex' },
      { primaryEncryptionKey: 'abcd' },
      { secondaryEncryptionKey },
      { primaryEncryptionKey, encryptionFormat: 'rot13' },
    ] as Record<string, string>[]) {
      expect(() => cipher(properties)).toThrow(
        expect.objectContaining({ code: 'config.invalid', message: expect.not.stringMatching(/secret-no-hex|abcd|ffee/) }),
      );
    }
    expect(createStateCipher({ name: 's', properties: {} } as unknown as Component<'state'>, random)).toBeUndefined();
  });
});
