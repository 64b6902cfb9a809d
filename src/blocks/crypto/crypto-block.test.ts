import { createCipheriv, createHmac, hkdfSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesBody, collect, type Body, type Flow, type Sink } from '../../kernel/body.ts';
import { createCall } from '../../kernel/call.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { fixedComponents, type Component } from '../../contracts/component-set.ts';
import type { CryptoProvider } from '../../contracts/crypto.ts';
import { ungoverned } from '../../contracts/governance.ts';
import { noMetrics } from '../../contracts/metrics.ts';
import { recordingLogger, testPorts } from '../../testing/driver-context.ts';
import { createCryptoBlock, type EncryptOptions } from './index.ts';

// "Wraps" by turning every bit over: the format is under test here, not the algorithms.
const flipped = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0xff);
const flipping: CryptoProvider = {
  algorithms: [],
  publicKey: async () => undefined,
  async wrapKey(name, _algorithm, key) {
    if (name !== 'mykey' && name !== 'rsa') throw new Error(`key '${name}' not found`);
    return { wrappedKey: flipped(key) };
  },
  async unwrapKey(name, _algorithm, wrapped) {
    if (name === 'other') return new Uint8Array(32).fill(1);
    if (name !== 'mykey') throw new Error(`key '${name}' not found`);
    return flipped(wrapped);
  },
  close: async () => {},
};

function rig(driver: CryptoProvider = flipping) {
  const lines: string[] = [];
  const component: Component<'crypto'> = {
    name: 'vault',
    type: 'crypto.test',
    version: 'v1',
    properties: {},
    definition: {} as Component<'crypto'>['definition'],
    driver,
  };
  const context: BlockContext = {
    ports: testPorts(),
    log: recordingLogger(lines),
    metrics: noMetrics,
    appId: 'app',
    namespace: '',
    govern: ungoverned,
  };
  const block = createCryptoBlock(context, { providers: fixedComponents([component]) });
  const operation = { block: 'crypto', name: 'encrypt', idempotent: true };
  const encrypt = (data: Body, options: Partial<EncryptOptions> = {}, provider = 'vault') =>
    block.encrypt(createCall(operation, { provider, options: { keyName: 'mykey', keyWrapAlgorithm: 'A256KW', ...options }, data }));
  const decrypt = (data: Body, keyName?: string, provider = 'vault') =>
    block.decrypt(createCall(operation, { provider, data, ...(keyName !== undefined && { keyName }) }));
  return { lines, encrypt, decrypt };
}

const bytesMax = 8 * 1024 * 1024;
const all = (body: Body): Promise<Buffer> => collect(body, bytesMax).then((bytes) => Buffer.from(bytes));
const pattern = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff));
const linesOf = (document: Buffer): string[] => document.toString('latin1').split('\n', 3);

/** A document made from the specification alone, with nothing of the block. */
function documentOf(
  plain: Buffer,
  manifest: Record<string, unknown> = {},
  cipher: 'aes-256-gcm' | 'chacha20-poly1305' = 'aes-256-gcm',
): Buffer {
  const fileKey = Buffer.alloc(32, 0x5a);
  const prefix = Buffer.from([1, 2, 3, 4, 5, 6, 7]);
  const fields = {
    k: 'mykey',
    kw: 1,
    wfk: Buffer.from(flipped(fileKey)).toString('base64'),
    cph: cipher === 'aes-256-gcm' ? 1 : 2,
    np: prefix.toString('base64'),
    ...manifest,
  };
  const first = Buffer.from(`dapr.io/enc/v1\n${JSON.stringify(fields)}\n`);
  const mac = createHmac('sha256', Buffer.from(hkdfSync('sha256', fileKey, '', 'header', 32)))
    .update(first)
    .digest('base64');
  const key = Buffer.from(hkdfSync('sha256', fileKey, prefix, 'payload', 32));
  const parts = [first, Buffer.from(`${mac}\n`)];
  for (let at = 0, index = 0; at < plain.length; at += 65_536, index++) {
    const nonce = Buffer.concat([prefix, Buffer.from([0, 0, index >> 8, index & 0xff, at + 65_536 >= plain.length ? 1 : 0])]);
    const sealing = createCipheriv(cipher as 'aes-256-gcm', key, nonce, { authTagLength: 16 });
    parts.push(sealing.update(plain.subarray(at, at + 65_536)), sealing.final(), sealing.getAuthTag());
  }
  return Buffer.concat(parts);
}

/** A source that delivers chunks of a size only as credit allows, in a buffer that it overwrites afterwards. */
function metered(bytes: Uint8Array, chunkBytes: number, seen: { delivered: number; cancelled?: unknown } = { delivered: 0 }): Body {
  return {
    length: undefined,
    discard: (reason) => (seen.cancelled ??= reason ?? true),
    pipe(sink: Sink) {
      let granted = 0;
      let running = false;
      let over = false;
      const run = (): void => {
        if (running) return;
        running = true;
        while (!over && granted > 0 && seen.delivered < bytes.length) {
          const chunk = Buffer.from(bytes.subarray(seen.delivered, seen.delivered + chunkBytes));
          seen.delivered += chunk.length;
          granted -= chunk.length;
          sink.chunk(chunk);
          chunk.fill(0xee);
        }
        running = false;
        if (over || seen.delivered < bytes.length) return;
        over = true;
        sink.end();
      };
      sink.open({
        credit(more) {
          granted += more;
          run();
        },
        cancel(reason) {
          over = true;
          seen.cancelled = reason;
        },
      });
    },
  };
}

describe('dapr.io/enc/v1', () => {
  const sizes = [0, 1, 15, 65_535, 65_536, 65_537, 131_072, 200_000];
  it.each(sizes)('opens documents of %i bytes that were made from the specification, in both ciphers', async (size) => {
    const { decrypt } = rig();
    const plain = pattern(size);
    for (const cipher of ['aes-256-gcm', 'chacha20-poly1305'] as const) {
      expect((await all(await decrypt(bytesBody(documentOf(plain, {}, cipher))))).equals(plain)).toBe(true);
    }
  });

  it.each(sizes)('makes documents of %i bytes byte for byte as the specification says', async (size) => {
    const { encrypt } = rig();
    const plain = pattern(size);
    const body = await encrypt(bytesBody(plain));
    const made = await all(body);
    expect(body.length).toBe(made.length);
    const [scheme, manifest, mac] = linesOf(made) as [string, string, string];
    expect(scheme).toBe('dapr.io/enc/v1');
    const fields = JSON.parse(manifest) as { wfk: string; np: string };
    expect(manifest).toBe(`{"k":"mykey","kw":1,"wfk":"${fields.wfk}","cph":1,"np":"${fields.np}"}`);
    const fileKey = flipped(Buffer.from(fields.wfk, 'base64'));
    const macKey = Buffer.from(hkdfSync('sha256', fileKey, '', 'header', 32));
    expect(mac).toBe(createHmac('sha256', macKey).update(`${scheme}\n${manifest}\n`).digest('base64'));
    const header = scheme.length + manifest.length + mac.length + 3;
    expect(made.length - header).toBe(size + 16 * Math.ceil(size / 65_536));
    expect((await all(await rig().decrypt(bytesBody(made)))).equals(plain)).toBe(true);
  });

  it('survives any chunking, with back pressure, both ways', async () => {
    const chunks = fc.constantFrom(1_000, 4_096, 65_535, 65_536, 65_537, 65_552, 150_000);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...sizes), chunks, chunks, async (size, encryptChunk, decryptChunk) => {
        const { encrypt, decrypt } = rig();
        const plain = pattern(size);
        const made = await all(await encrypt(metered(plain, encryptChunk)));
        return (await all(await decrypt(metered(made, decryptChunk)))).equals(plain);
      }),
      { numRuns: 60 },
    );
    const { decrypt } = rig();
    expect((await all(await decrypt(metered(documentOf(pattern(500)), 1)))).equals(pattern(500))).toBe(true);
  });

  it('reads no further than its reader wants, and stops the source when the reader stops', async () => {
    const { encrypt, decrypt } = rig();
    const plain = pattern(2_000_000);
    for (const [make, input] of [
      [encrypt, plain],
      [decrypt, documentOf(plain)],
    ] as const) {
      const seen: { delivered: number; cancelled?: unknown } = { delivered: 0 };
      const body = await make(metered(input, 8_192, seen));
      expect(seen.delivered).toBeLessThan(100_000);
      let received = 0;
      let flow: Flow | undefined;
      let ended = false;
      body.pipe({ open: (opened) => (flow = opened), chunk: (chunk) => (received += chunk.length), end: () => (ended = true), fail() {} });
      flow?.credit(200_000);
      expect(received).toBeGreaterThanOrEqual(200_000);
      expect(received).toBeLessThan(200_000 + 66_000);
      expect(seen.delivered).toBeLessThan(received + 150_000);
      flow?.cancel('enough');
      flow?.credit(1_000_000);
      expect([ended, seen.cancelled]).toEqual([false, 'enough']);
    }
  });
});

describe('encrypt', () => {
  it.each([
    [{ keyWrapAlgorithm: 'aes' }, { k: 'mykey', kw: 1, cph: 1 }],
    [
      { keyWrapAlgorithm: 'A128CBC-NOPAD', dataEncryptionCipher: 'chacha20-poly1305' },
      { k: 'mykey', kw: 2, cph: 2 },
    ],
    [
      { keyWrapAlgorithm: 'RSA', decryptionKeyName: 'private' },
      { k: 'private', kw: 5, cph: 1 },
    ],
    [
      { keyWrapAlgorithm: 'rsa-oaep-256', omitDecryptionKeyName: true, decryptionKeyName: 'x', dataEncryptionCipher: 'AES-GCM' },
      { kw: 5, cph: 1 },
    ],
  ])('writes what %j asks for into the manifest', async (options, expected) => {
    const manifest = JSON.parse(linesOf(await all(await rig().encrypt(bytesBody(Buffer.from('x')), options)))[1] as string) as Record<
      string,
      unknown
    >;
    const { wfk: _wfk, np: _np, ...rest } = manifest;
    expect(rest).toEqual(expected);
  });

  it.each([
    [{ keyName: '' }, 'bad-request', 'the key name is missing'],
    [{ keyWrapAlgorithm: '' }, 'bad-request', 'the key wrap algorithm is missing'],
    [{ keyWrapAlgorithm: 'A128KW' }, 'crypto.failed', 'algorithm A128KW is not supported'],
    [{ keyWrapAlgorithm: 'constructor' }, 'crypto.failed', 'algorithm constructor is not supported'],
    [{ dataEncryptionCipher: 'rot13' }, 'crypto.failed', 'cipher rot13 is not supported'],
    [{ keyName: 'none' }, 'crypto.failed', "failed to perform operation: failed to wrap the file key: key 'none' not found"],
    [{ decryptionKeyName: 'k'.repeat(70_000) }, 'crypto.failed', 'header is too long'],
  ])('refuses %j and drops the data', async (options, code, message) => {
    const seen: { delivered: number; cancelled?: unknown } = { delivered: 0 };
    await expect(rig().encrypt(metered(pattern(10), 10, seen), options)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
    expect(seen.cancelled).toBeDefined();
  });

  it('tells no provider at all from an unknown one', async () => {
    await expect(rig().encrypt(bytesBody(pattern(1)), {}, 'none')).rejects.toMatchObject({
      code: 'crypto.not-found',
      message: 'crypto provider none not found',
    });
    await expect(rig().decrypt(bytesBody(pattern(1)), 'k', 'none')).rejects.toMatchObject({ code: 'crypto.not-found' });
  });

  it('uses new keys for every document', async () => {
    const { encrypt } = rig();
    const [one, two] = [await all(await encrypt(bytesBody(pattern(9)))), await all(await encrypt(bytesBody(pattern(9))))] as const;
    expect(one.equals(two)).toBe(false);
  });

  it('passes a failure of the source on', async () => {
    const source: Body = {
      length: undefined,
      discard() {},
      pipe: (sink) => (sink.open({ credit: () => sink.fail(new Error('client gone')), cancel() {} }), undefined),
    };
    await expect(all(await rig().encrypt(source))).rejects.toThrow('client gone');
    await expect(rig().decrypt(source)).rejects.toThrow('client gone');
  });
});

describe('decrypt', () => {
  const good = documentOf(pattern(100));
  const text = good.toString('latin1');
  const [, manifest = '', mac = ''] = linesOf(good);
  const changed = (from: string, to: string): Buffer => Buffer.from(text.replace(from, to), 'latin1');
  const signature = "failed to validate the document's signature";
  const bad: [string, Buffer, string][] = [
    ['nothing', Buffer.alloc(0), 'invalid header: scheme name not found'],
    ['another scheme', changed('enc/v1', 'enc/v2'), 'unsupported scheme'],
    ['what is no document', Buffer.from('{"a":1}'), 'unsupported scheme'],
    ['a scheme without end', Buffer.from('dapr.io/enc/v1'), 'scheme name not found'],
    ['no manifest', Buffer.from('dapr.io/enc/v1\n'), 'manifest not found'],
    ['no MAC', Buffer.from(`dapr.io/enc/v1\n${manifest}\n`), 'message authentication code not found'],
    ['an endless header', Buffer.from(`dapr.io/enc/v1\n${'x'.repeat(70_000)}`), 'header is too long'],
    ['a manifest that is no JSON', changed(manifest, '{]'), 'invalid manifest'],
    ['an empty manifest', changed(manifest, 'null'), 'invalid manifest'],
    ['an unknown algorithm', changed('"kw":1', '"kw":6'), 'invalid manifest'],
    ['an unknown cipher', changed('"cph":1', '"cph":0'), 'invalid manifest'],
    ['a short nonce prefix', documentOf(pattern(9), { np: 'AAAA' }), 'invalid manifest'],
    ['a wrapped key that is no base64', documentOf(pattern(9), { wfk: '!!' }), 'invalid manifest'],
    ['a key name that is no text', documentOf(pattern(9), { k: 7 }), 'invalid manifest'],
    ['a MAC that is no base64', changed(mac, '!'), 'illegal base64'],
    ['another MAC', changed(mac, Buffer.alloc(32).toString('base64')), signature],
    ['a short MAC', changed(mac, 'AAAA'), signature],
    ['a manifest that means the same but reads otherwise', changed('{"k"', '{ "k"'), signature],
    ['another key name in the manifest', changed('"mykey"', '"other"'), signature],
    [
      'a changed byte',
      Buffer.concat([good.subarray(0, -20), Buffer.from([(good.at(-20) as number) ^ 1]), good.subarray(-19)]),
      'error processing segment 0',
    ],
    ['a cut segment', good.subarray(0, -1), 'error processing segment 0'],
    ['a stub of a segment', good.subarray(0, good.length - 105), 'error processing segment 0'],
    ['an appended byte', Buffer.concat([good, Buffer.from('x')]), 'error processing segment 0'],
  ];
  it.each(bad)('refuses %s with a status', async (_name, document, message) => {
    for (const body of [bytesBody(document), metered(document, 7)]) {
      const refused = rig()
        .decrypt(body)
        .then((plain) => all(plain));
      await expect(refused).rejects.toMatchObject({ code: 'crypto.failed', message: expect.stringContaining(message) });
    }
  });

  it('breaks off at a later segment that is missing, changed or out of order, after what was authentic', async () => {
    const plain = pattern(200_000);
    const whole = documentOf(plain);
    const header = whole.length - (200_000 + 4 * 16);
    const segment = (index: number) => whole.subarray(header + index * 65_552, header + (index + 1) * 65_552);
    const head = whole.subarray(0, header);
    const cases: Buffer[][] = [
      [head, segment(0), segment(1), segment(2)],
      [head, segment(0), segment(2), segment(1), segment(3)],
      [head, segment(0), segment(1), segment(1), segment(3)],
    ];
    for (const parts of cases) {
      const body = await rig().decrypt(metered(Buffer.concat(parts), 10_000));
      const received: Buffer[] = [];
      const outcome = await new Promise<unknown>((resolve) => {
        body.pipe({
          open: (flow) => flow.credit(bytesMax),
          chunk: (chunk) => received.push(Buffer.from(chunk)),
          end: () => resolve('ended'),
          fail: resolve,
        });
      });
      expect(outcome).toMatchObject({ code: 'crypto.failed' });
      const authentic = Buffer.concat(received);
      expect(authentic.equals(plain.subarray(0, authentic.length))).toBe(true);
    }
  });

  it('takes the key name of the request before that of the manifest, and needs one', async () => {
    const { decrypt } = rig();
    const named = documentOf(pattern(5), { k: 'private' });
    expect((await all(await decrypt(bytesBody(named), 'mykey'))).equals(pattern(5))).toBe(true);
    const nameless = documentOf(pattern(5), { k: undefined });
    expect((await all(await decrypt(bytesBody(nameless), 'mykey'))).equals(pattern(5))).toBe(true);
    await expect(decrypt(bytesBody(nameless))).rejects.toMatchObject({
      code: 'crypto.failed',
      message: expect.stringContaining('no key name was provided'),
    });
  });

  it('says the same for a missing key as for a wrong one, and the reason only in the log', async () => {
    const { decrypt, lines } = rig();
    for (const keyName of ['none', 'other'])
      await expect(decrypt(bytesBody(good), keyName)).rejects.toMatchObject({ message: expect.stringContaining(signature) });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("key 'none' not found");
  });
});
