import { afterEach, describe, expect, it } from 'vitest';
import type { Secret, SecretStore } from '../contracts/secrets.ts';

export interface SecretsSuiteOptions {
  readonly name: string;
  /** Opens a store that holds exactly these one-value secrets (it may hold others of its surroundings too). */
  readonly open: (secrets: Readonly<Record<string, string>>) => Promise<SecretStore>;
  /** Opens one that holds these; required with MULTIPLE_KEY_VALUES_PER_SECRET. */
  readonly openMultiple?: (secrets: Readonly<Record<string, Secret>>) => Promise<SecretStore>;
}

/** The contract of secret stores. */
export function secretsSuite(options: SecretsSuiteOptions): void {
  describe(`secret store: ${options.name}`, () => {
    const opened: SecretStore[] = [];
    const open = async (secrets: Readonly<Record<string, string>>): Promise<SecretStore> => {
      const store = await options.open(secrets);
      opened.push(store);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    it('answers one value under the name that was asked for', async () => {
      const store = await open({ alpha: 'a=1', beta: 'β"\n' });
      expect(await store.get('alpha', {})).toEqual({ alpha: 'a=1' });
      expect(await store.get('beta', {})).toEqual({ beta: 'β"\n' });
    });

    it('answers undefined for what is not there, members of every object included', async () => {
      const store = await open({ alpha: '1' });
      for (const name of ['', 'Alpha', 'alph', 'constructor', '__proto__', 'toString', '../alpha']) {
        expect([name, await store.get(name, {})]).toEqual([name, undefined]);
      }
    });

    it('lists all secrets, each in the form that get answers', async () => {
      const store = await open({ alpha: '1', beta: '', gamma: '3' });
      const all = await store.bulkGet({});
      for (const name of ['alpha', 'beta', 'gamma']) expect(all[name]).toEqual(await store.get(name, {}));
      expect(Object.keys(all)).toEqual(expect.arrayContaining(['alpha', 'beta', 'gamma']));
    });

    it('closes twice without harm', async () => {
      const store = await options.open({ alpha: '1' });
      await store.close();
      await store.close();
    });

    const { openMultiple } = options;
    if (openMultiple !== undefined) {
      it('answers several pairs of one secret and says that it can', async () => {
        const store = await openMultiple({ db: { user: 'u', password: 'p' } });
        opened.push(store);
        expect(store.capabilities).toContain('MULTIPLE_KEY_VALUES_PER_SECRET');
        expect(await store.get('db', {})).toEqual({ user: 'u', password: 'p' });
        expect(await store.bulkGet({})).toEqual({ db: { user: 'u', password: 'p' } });
      });
    }
  });
}
