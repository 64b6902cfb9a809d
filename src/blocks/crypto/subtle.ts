import type { JsonWebKeyInput } from 'node:crypto';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component } from '../../contracts/component-set.ts';
import type { SubtleKeys } from '../../contracts/crypto.ts';
import { governedServices } from '../../contracts/governed-services.ts';
import { derive, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import { nodeCrypto } from '../../kernel/node-crypto.ts';
import type { Service } from '../../kernel/service.ts';
import type { SubtleBlock } from './index.ts';

interface Work {
  readonly run: (keys: SubtleKeys) => Promise<unknown>;
}

/** What the block shares with this half of it. */
export interface SubtleParts {
  readonly context: BlockContext;
  /** Fails for a provider that there is not. */
  readonly providerNamed: (name: string) => Component<'crypto'>;
}

/**
 * Single operations with a key of a provider. Callers learn that one failed, never why: the reason would answer questions about keys and paddings
 * (it is in the log).
 */
export function createSubtle({ context, providerNamed }: SubtleParts): SubtleBlock {
  const log = context.log.scoped('proa.crypto');
  const service = governedServices<'crypto', Work, unknown>({
    govern: context.govern,
    block: 'crypto',
    direction: 'outbound',
    serve:
      ({ driver, name }) =>
      async ({ input }) => {
        if (driver.subtle === undefined) throw new ProaError('unimplemented', `crypto provider ${name} has no single operations`);
        return input.run(await driver.subtle());
      },
  });
  const row =
    <In extends { readonly provider: string }, Out>(what: string, run: (keys: SubtleKeys, input: In) => Promise<Out>): Service<In, Out> =>
    async (call: Call<In>) => {
      const component = providerNamed(call.input.provider);
      try {
        return (await service(component, 'crypto_op')(derive<In, Work>(call, { input: { run: (keys) => run(keys, call.input) } }))) as Out;
      } catch (cause) {
        const error = ProaError.from(cause, 'crypto.failed');
        if (error.code === 'unimplemented' || error.code === 'cancelled') throw error;
        log.warn(`a key failed to ${what}`, { [logFields.component]: component.name, [logFields.error]: error.message });
        throw new ProaError('crypto.failed', `failed to perform operation: failed to ${what}`);
      }
    };
  return {
    getKey: async (call) => getKey(providerNamed(call.input.provider), call.input),
    encrypt: row('encrypt', (keys, { keyName, algorithm, ...message }) => keys.encrypt(keyName, algorithm, message)),
    decrypt: row('decrypt', (keys, { keyName, algorithm, ...message }) => keys.decrypt(keyName, algorithm, message)),
    wrapKey: row('wrap key', async (keys, { keyName, algorithm, data, ...message }) => {
      const { parseKey, serializeKey } = await import('../../contracts/key-bytes.ts');
      const plain = serializeKey(parseKey(Buffer.from(data)).key);
      return keys.encrypt(keyName, algorithm, { ...message, data: plain }, 'wrapKey');
    }),
    unwrapKey: row('unwrap key', (keys, { keyName, algorithm, ...message }) => keys.decrypt(keyName, algorithm, message, 'unwrapKey')),
    sign: row('sign', (keys, { keyName, algorithm, digest }) =>
      keys.sign(keyName, algorithm, { digest, salt: context.ports.random.bytes(digest.length) }),
    ),
    verify: row('verify signature', (keys, { keyName, algorithm, ...signed }) => keys.verify(keyName, algorithm, signed)),
  };
}

async function getKey(
  { driver }: Component<'crypto'>,
  { keyName, format }: Parameters<SubtleBlock['getKey']>[0]['input'],
): Promise<string> {
  if (format !== 'pem' && format !== 'json') throw new ProaError('bad-request', 'invalid request: invalid key format');
  const jwk = await driver.publicKey(keyName).catch((cause: unknown) => {
    throw new ProaError('crypto.key', `failed to retrieve key ${keyName}: ${(cause as Error).message}`, { cause });
  });
  if (jwk === undefined) throw new ProaError('crypto.key', `failed to retrieve key ${keyName}: there is no public key of this name`);
  return format === 'json'
    ? JSON.stringify(jwk)
    : String(
        nodeCrypto()
          .createPublicKey({ key: jwk, format: 'jwk' } as JsonWebKeyInput)
          .export({ type: 'spki', format: 'pem' }),
      );
}
