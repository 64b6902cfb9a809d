import type { Body } from '../../kernel/body.ts';
import { derive, type Call } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { nearestOf, type Component, type ComponentSet } from '../../contracts/component-set.ts';
import type { WrapAlgorithm } from '../../contracts/crypto.ts';
import { governedServices } from '../../contracts/governed-services.ts';
import type { CryptoBlock } from './index.ts';
import * as format from './enc-v1.ts';
import { readHeader } from './header.ts';
import { peelBody } from './peel.ts';
import { createSubtle } from './subtle.ts';
import { segmentBody } from './segment-body.ts';

export interface CryptoBlockDeps {
  readonly providers: ComponentSet<'crypto'>;
}

interface KeyWork {
  readonly kind: 'wrap' | 'unwrap';
  readonly keyName: string;
  readonly algorithm: WrapAlgorithm;
  readonly bytes: Uint8Array;
}

/** Encrypts and decrypts documents of the format `dapr.io/enc/v1`; only the file key ever goes to the provider. */
export function createCryptoBlock(context: BlockContext, deps: CryptoBlockDeps): CryptoBlock {
  const log = context.log.scoped('proa.crypto');
  const service = governedServices<'crypto', KeyWork, Uint8Array>({
    govern: context.govern,
    block: 'crypto',
    direction: 'outbound',
    serve: (component) => (call) => workWithKey(component, call.input),
  });
  const work = (component: Component<'crypto'>, call: Call<unknown>, input: KeyWork): Promise<Uint8Array> =>
    service(component, 'crypto_op')(derive(call, { input }));

  return {
    subtle: createSubtle({ context, providerNamed: (name) => providerNamed(deps.providers, name) }),
    async encrypt(call) {
      const { provider, options, data } = call.input;
      return orDiscard(data, async () => {
        const component = providerNamed(deps.providers, provider);
        if (options.keyName === '') throw new ProaError('bad-request', 'invalid request: the key name is missing');
        if (options.keyWrapAlgorithm === '') throw new ProaError('bad-request', 'invalid request: the key wrap algorithm is missing');
        const algorithm = format.wrapAlgorithmOf(options.keyWrapAlgorithm);
        if (algorithm === undefined) throw failed(`option Algorithm is not valid: algorithm ${options.keyWrapAlgorithm} is not supported`);
        const word = options.dataEncryptionCipher ?? '';
        const cipher = word === '' ? 'AES-GCM' : format.dataCipherOf(word);
        if (cipher === undefined) throw failed(`option Cipher is not valid: cipher ${word} is not supported`);
        const fileKey = context.ports.random.bytes(format.fileKeyBytes);
        const noncePrefix = context.ports.random.bytes(format.noncePrefixBytes);
        const wrappedKey = await work(component, call, { kind: 'wrap', keyName: options.keyName, algorithm, bytes: fileKey }).catch(
          (cause: unknown) => {
            throw failed(`failed to wrap the file key: ${messageOf(cause)}`, cause);
          },
        );
        const shown =
          options.decryptionKeyName === undefined || options.decryptionKeyName === '' ? options.keyName : options.decryptionKeyName;
        const keyName = options.omitDecryptionKeyName === true ? undefined : shown;
        return encrypted(fileKey, { keyName, algorithm, wrappedKey, cipher, noncePrefix }, data);
      });
    },
    async decrypt(call) {
      const { provider, data } = call.input;
      return orDiscard(data, async () => {
        const component = providerNamed(deps.providers, provider);
        const { value: header, rest } = await readHeader(data).catch((cause: unknown) => {
          throw failed(messageOf(cause), cause);
        });
        return orDiscard(rest, async () => {
          const { manifest } = header;
          const keyName = call.input.keyName === undefined || call.input.keyName === '' ? manifest.keyName : call.input.keyName;
          if (keyName === undefined) throw failed("document's manifest does not contain a key name, and no key name was provided");
          const input: KeyWork = { kind: 'unwrap', keyName, algorithm: manifest.algorithm, bytes: manifest.wrappedKey };
          const fileKey = await work(component, call, input).catch((cause: unknown) => {
            // The caller learns only that the document cannot be verified: the reason would tell which keys exist.
            log.warn('a file key cannot be unwrapped', {
              [logFields.component]: provider,
              key: keyName,
              [logFields.error]: messageOf(cause),
            });
            return new Uint8Array(0);
          });
          const usable = fileKey.length === format.fileKeyBytes ? fileKey : new Uint8Array(format.fileKeyBytes);
          const authentic = format.sameMac(format.headerMac(usable, header.firstLines), header.mac);
          if (!authentic || usable !== fileKey) throw failed("failed to validate the document's signature");
          return firstSegmentChecked(decrypted(fileKey, manifest, rest));
        });
      });
    },
  };
}

function encrypted(fileKey: Uint8Array, manifest: format.Manifest, data: Body): Body {
  const firstLines = Buffer.from(`${format.schemeName}\n${format.formatManifest(manifest)}\n`);
  const mac = Buffer.from(format.headerMac(fileKey, firstLines)).toString('base64');
  const prefix = Buffer.concat([firstLines, Buffer.from(`${mac}\n`)]);
  if (prefix.length > format.headerBytesMax) throw failed('header is too long');
  const cipher = format.segmentCipher(fileKey, manifest);
  const segments = data.length === undefined ? undefined : Math.ceil(data.length / format.segmentBytes);
  return segmentBody({
    source: data,
    segmentBytes: format.segmentBytes,
    prefix,
    length: segments === undefined ? undefined : prefix.length + (data.length as number) + segments * format.tagBytes,
    transform: (segment, index, last) => cipher.seal(segment, index, last),
  });
}

function decrypted(fileKey: Uint8Array, manifest: format.Manifest, data: Body): Body {
  const cipher = format.segmentCipher(fileKey, manifest);
  return segmentBody({
    source: data,
    segmentBytes: format.segmentBytes + format.tagBytes,
    transform(segment, index, last) {
      const plain = cipher.open(segment, index, last);
      if (plain === undefined) throw failed(`error processing segment ${index}: failed to decrypt segment`);
      return plain;
    },
  });
}

// Documents of one segment, the usual ones, then fail with a status instead of a broken answer.
async function firstSegmentChecked(body: Body): Promise<Body> {
  const { rest } = await peelBody(body, { chunk: () => ({ value: undefined, restFrom: 0 }), end: () => undefined });
  return rest;
}

async function orDiscard(body: Body, make: () => Promise<Body>): Promise<Body> {
  try {
    return await make();
  } catch (error) {
    body.discard(error);
    throw error;
  }
}

async function workWithKey(component: Component<'crypto'>, input: KeyWork): Promise<Uint8Array> {
  const { driver } = component;
  try {
    if (input.kind === 'unwrap') return await driver.unwrapKey(input.keyName, input.algorithm, input.bytes);
    return (await driver.wrapKey(input.keyName, input.algorithm, input.bytes)).wrappedKey;
  } catch (cause) {
    throw ProaError.from(cause, 'crypto.failed');
  }
}

function providerNamed(providers: ComponentSet<'crypto'>, name: string): Component<'crypto'> {
  const component = providers.get(name);
  if (component !== undefined) return component;
  if (providers.list().length === 0) throw new ProaError('crypto.not-configured', 'crypto providers not configured');
  if (name === '') throw new ProaError('bad-request', 'invalid request: missing component name');
  throw new ProaError('crypto.not-found', `crypto provider ${name} not found`, nearestOf(name, providers.list()));
}

function failed(what: string, cause?: unknown): ProaError {
  return new ProaError('crypto.failed', `failed to perform operation: ${what}`, cause === undefined ? {} : { cause });
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
