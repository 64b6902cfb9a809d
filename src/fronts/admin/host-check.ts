import { ProaError } from '../../kernel/errors.ts';

const addresses = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/i;

/**
 * Refuses requests that a page of a foreign site could make by letting its own name point at this machine (DNS rebinding): without a token only
 * addresses and `localhost` are believed. A site does not know the token.
 */
export function checkHost(host: string | undefined, guarded: boolean): void {
  if (guarded || host === undefined) return;
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost') || addresses.test(name)) return;
  throw new ProaError('permission-denied', 'the admin API answers to addresses and localhost only', {
    hint: 'use 127.0.0.1, or set DAPR_API_TOKEN and send it',
  });
}
