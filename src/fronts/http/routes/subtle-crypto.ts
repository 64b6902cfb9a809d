import type { Blocks } from '../../../blocks/runtime/index.ts';
import type { Service } from '../../../kernel/service.ts';
import { JsonFields } from '../json-fields.ts';
import { malformed, parseJson } from '../json-members.ts';
import { jsonReply, type Reply } from '../reply.ts';
import { route, type Route, type RouteRequest } from '../route.ts';
import { param } from './state.ts';

type Subtle = Blocks['crypto']['subtle'];

interface Row<In, Out> {
  readonly verb: string;
  readonly name: string;
  decode(fields: ProtoFields, provider: string): In;
  service(subtle: Subtle): Service<In, Out>;
  encode(output: Out, input: In): Readonly<Record<string, string | boolean>>;
}

/** Single operations with keys over HTTP (Dapr reference 3). Bodies are protobuf JSON: bytes in base64, what is empty left out. */
export const subtleCryptoRoutes: readonly Route[] = [
  row({
    verb: 'getkey',
    name: 'SubtleGetKey',
    decode: (fields, provider) => ({ provider, keyName: fields.text('name'), format: fields.keyFormat() }),
    service: (subtle) => subtle.getKey,
    encode: (publicKey, { keyName }) => ({ name: keyName, publicKey }),
  }),
  row({
    verb: 'encrypt',
    name: 'SubtleEncrypt',
    decode: (fields, provider) => fields.message(provider, 'plaintext'),
    service: (subtle) => subtle.encrypt,
    encode: ({ data, tag }) => ({ ciphertext: base64(data), tag: base64(tag) }),
  }),
  row({
    verb: 'decrypt',
    name: 'SubtleDecrypt',
    decode: (fields, provider) => fields.message(provider, 'ciphertext'),
    service: (subtle) => subtle.decrypt,
    encode: (plaintext) => ({ plaintext: base64(plaintext) }),
  }),
  row({
    verb: 'wrapkey',
    name: 'SubtleWrapKey',
    decode: (fields, provider) => fields.message(provider, 'plaintextKey'),
    service: (subtle) => subtle.wrapKey,
    encode: ({ data, tag }) => ({ wrappedKey: base64(data), tag: base64(tag) }),
  }),
  row({
    verb: 'unwrapkey',
    name: 'SubtleUnwrapKey',
    decode: (fields, provider) => fields.message(provider, 'wrappedKey'),
    service: (subtle) => subtle.unwrapKey,
    encode: (plaintextKey) => ({ plaintextKey: base64(plaintextKey) }),
  }),
  row({
    verb: 'sign',
    name: 'SubtleSign',
    decode: (fields, provider) => ({ ...fields.key(provider), digest: fields.bytes('digest') }),
    service: (subtle) => subtle.sign,
    encode: (signature) => ({ signature: base64(signature) }),
  }),
  row({
    verb: 'verify',
    name: 'SubtleVerify',
    decode: (fields, provider) => ({ ...fields.key(provider), digest: fields.bytes('digest'), signature: fields.bytes('signature') }),
    service: (subtle) => subtle.verify,
    encode: (valid) => ({ valid }),
  }),
];

function row<In, Out>({ verb, name, decode, service, encode }: Row<In, Out>): Route {
  return route<In, Out>({
    methods: ['POST'],
    path: `/v1.0-alpha1/subtlecrypto/{name}/${verb}`,
    name,
    group: 'subtlecrypto',
    operation: { block: 'crypto', name: `subtle_${verb}`, idempotent: true },
    decode: async (request: RouteRequest) => decode(new ProtoFields(await request.text()), param(request, 'name')),
    service: (blocks) => service(blocks.crypto.subtle),
    encode(output, input): Reply {
      const members = Object.entries(encode(output, input)).filter(([, value]) => value !== '' && value !== false);
      return jsonReply(Object.fromEntries(members));
    },
  });
}

function base64(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/** Members by their camel case or snake case name. */
class ProtoFields {
  readonly #fields: JsonFields;

  constructor(text: string) {
    this.#fields = new JsonFields(text);
  }

  text(name: string): string {
    return this.#fields.text(name) ?? this.#fields.text(snake(name)) ?? '';
  }

  /** Base64 of either alphabet, padded or not. */
  bytes(name: string): Uint8Array {
    const text = this.text(name);
    if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw malformed(`"${name}" must be base64`);
    return Buffer.from(text, 'base64');
  }

  key(provider: string) {
    return { provider, keyName: this.text('keyName'), algorithm: this.text('algorithm') };
  }

  message(provider: string, data: string) {
    return {
      ...this.key(provider),
      data: this.bytes(data),
      nonce: this.bytes('nonce'),
      associatedData: this.bytes('associatedData'),
      tag: this.bytes('tag'),
    };
  }

  /** An enumeration: its name or its number. */
  keyFormat(): string {
    const raw = this.#fields.raw('format');
    const value = raw === undefined ? 0 : parseJson(raw);
    if (value === 0 || value === 'PEM') return 'pem';
    return value === 1 || value === 'JSON' ? 'json' : String(value);
  }
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
