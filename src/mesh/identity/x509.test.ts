import { execFileSync } from 'node:child_process';
import { X509Certificate, generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { issueLeaf, issueRoot } from './certificate.ts';
import { der } from './der.ts';
import { DerError, DerReader, oidText } from './der-reader.ts';
import { createSigningRequest, readSigningRequest, signingRequestPem } from './signing-request.ts';
import { parseSpiffeId, spiffeId } from './spiffe-id.ts';
import { createKeyPair, oids, pemCertificates, readCertificate, signatureAlgorithm } from './x509.ts';

const folder = mkdtempSync(join(tmpdir(), 'proa-x509-'));
afterAll(() => rmSync(folder, { recursive: true }));

function openssl(args: readonly string[], input?: string | Buffer): string {
  return execFileSync('openssl', args, { input, encoding: 'utf8', cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
}

const uri = spiffeId({ trustDomain: 'public', namespace: 'default', appId: 'orders' });
const nowMs = Math.floor(Date.now() / 1000) * 1000;
const rootKeys = createKeyPair();
const root = issueRoot(rootKeys, {
  name: 'public 1',
  trustDomain: 'public',
  serial: Buffer.from('00ff01', 'hex'),
  notBeforeMs: nowMs - 60_000,
  notAfterMs: nowMs + 86_400_000,
});
const issuer = { ...rootKeys, name: 'public 1' };

function leaf(more: Partial<{ notBeforeMs: number; notAfterMs: number; uri: string }> = {}): {
  pem: string;
  keys: ReturnType<typeof createKeyPair>;
} {
  const keys = createKeyPair();
  const spec = {
    publicKey: keys.publicKey,
    serial: Buffer.from('80aa', 'hex'),
    notBeforeMs: nowMs - 60_000,
    notAfterMs: nowMs + 3_600_000,
    issuer,
    ...more,
  };
  return { pem: issueLeaf(spec, more.uri ?? uri), keys };
}

describe('certificates', () => {
  it('are accepted by OpenSSL, with exactly what was meant', () => {
    const { pem } = leaf();
    writeFileSync(join(folder, 'root.pem'), root);
    writeFileSync(join(folder, 'leaf.pem'), pem);
    expect(openssl(['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', 'root.pem', 'leaf.pem'])).toContain('leaf.pem: OK');
    expect(openssl(['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', 'root.pem', 'leaf.pem'])).toContain('leaf.pem: OK');
    const text = openssl(['x509', '-noout', '-text', '-in', 'leaf.pem']);
    for (const part of [
      'Version: 3',
      'ecdsa-with-SHA256',
      'NIST CURVE: P-256',
      `URI:${uri}`,
      'X509v3 Subject Alternative Name: critical',
      'CA:FALSE',
      'Digital Signature',
      'TLS Web Server Authentication, TLS Web Client Authentication',
    ])
      expect(text).toContain(part);
    const rootText = openssl(['x509', '-noout', '-text', '-in', 'root.pem']);
    for (const part of ['CA:TRUE, pathlen:0', 'Certificate Sign, CRL Sign', 'URI:spiffe://public']) expect(rootText).toContain(part);
  });

  it('are read the same by Node', () => {
    const { pem, keys } = leaf();
    const read = new X509Certificate(pem);
    expect(read.subjectAltName).toBe(`URI:${uri}`);
    expect(read.ca).toBe(false);
    expect(read.verify(new X509Certificate(root).publicKey)).toBe(true);
    expect(read.checkIssued(new X509Certificate(root))).toBe(true);
    expect(Date.parse(read.validTo)).toBe(nowMs + 3_600_000);
    expect(read.publicKey.export({ type: 'spki', format: 'der' })).toEqual(keys.publicKey);
    expect(read.serialNumber).toBe('80AA');
  });

  it('are read back, also those of OpenSSL', () => {
    expect(readCertificate(pemCertificates(leaf().pem)[0] as Buffer)).toEqual({
      validFromMs: nowMs - 60_000,
      validToMs: nowMs + 3_600_000,
      uris: [uri],
      authority: false,
      critical: [oids.basicConstraints, oids.keyUsage, oids.subjectAltName],
    });
    expect(readCertificate(pemCertificates(root)[0] as Buffer)).toMatchObject({
      authority: true,
      pathLength: 0,
      uris: ['spiffe://public'],
    });
    const theirs = openssl([
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'k.pem',
      '-days',
      '20000',
      '-subj',
      '/CN=x',
      '-addext',
      'subjectAltName=URI:a:b,DNS:c,URI:d:e',
    ]);
    expect(readCertificate(pemCertificates(theirs)[0] as Buffer)).toMatchObject({ uris: ['a:b', 'd:e'], authority: true });
    expect(readCertificate(pemCertificates(theirs)[0] as Buffer).validToMs).toBe(Date.parse(new X509Certificate(theirs).validTo));
  });
});

describe('signing requests', () => {
  it('are accepted by OpenSSL', () => {
    const request = createSigningRequest(createKeyPair(), uri);
    const text = openssl(['req', '-verify', '-noout', '-text'], signingRequestPem(request));
    expect(text).toContain(`URI:${uri}`);
    expect(text).toContain('prime256v1');
  });

  it('are read back, also those of OpenSSL', () => {
    const keys = createKeyPair();
    expect(readSigningRequest(createSigningRequest(keys, uri))).toEqual({ publicKey: keys.publicKey, uri });
    const theirs = (...args: string[]): Buffer => {
      openssl([
        'req',
        '-new',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        'k.pem',
        '-out',
        'r.der',
        '-outform',
        'DER',
        '-subj',
        '/',
        ...args,
      ]);
      return Buffer.from(openssl(['base64', '-in', 'r.der']), 'base64');
    };
    expect(readSigningRequest(theirs('-addext', `subjectAltName=URI:${uri}`))).toMatchObject({ uri });
    expect(readSigningRequest(theirs('-addext', `subjectAltName=URI:${uri},DNS:localhost`))).toContain('a name that is no URI');
    expect(readSigningRequest(theirs('-addext', `subjectAltName=URI:${uri},URI:${uri}x`))).toContain('asks for 2 URIs');
    expect(readSigningRequest(theirs('-addext', `subjectAltName=URI:${uri}`, '-addext', 'basicConstraints=CA:TRUE'))).toContain(
      'more than a name',
    );
    expect(readSigningRequest(theirs())).toContain('asks for 0 URIs');
  });

  it('of other keys, or whose signature is by another key, are refused', () => {
    const keys = createKeyPair();
    const forged = createSigningRequest({ publicKey: keys.publicKey, privateKey: createKeyPair().privateKey }, uri);
    expect(readSigningRequest(forged)).toBe('the signature of the signing request is wrong');
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const pair = {
      publicKey: curve.publicKey.export({ type: 'spki', format: 'der' }),
      privateKey: curve.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    };
    expect(readSigningRequest(createSigningRequest(pair, uri))).toContain('not of the curve P-256');
    const offCurve = Buffer.from(keys.publicKey);
    offCurve[offCurve.length - 1] = (offCurve.at(-1) as number) ^ 1;
    expect(readSigningRequest(createSigningRequest({ ...keys, publicKey: offCurve }, uri))).toBe(
      'the signature of the signing request is wrong',
    );
    expect(readSigningRequest(Buffer.alloc(5000))).toContain('more than 4096');
    const wrongVersion = der.sequence(der.integer(Buffer.from([1])), der.sequence(), keys.publicKey, der.explicit(0));
    const signed = der.sequence(wrongVersion, signatureAlgorithm, der.bits(sign('sha256', wrongVersion, keys.privateKey)));
    expect(readSigningRequest(signed)).toContain('unknown version');
  });

  it('fuzzed: any change makes them refused, and nothing throws', () => {
    const request = createSigningRequest(createKeyPair(), uri);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: request.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        fc.option(fc.integer({ min: 0, max: request.length })),
        (at, flip, cut) => {
          const bytes = Buffer.from(request);
          bytes[at] = (bytes[at] as number) ^ flip;
          expect(readSigningRequest(cut === null ? bytes : bytes.subarray(0, cut))).toEqual(expect.any(String));
        },
      ),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(readSigningRequest(bytes)).toEqual(expect.any(String));
      }),
    );
  });
});

describe('DER', () => {
  it('integers, lengths and identifiers come back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 70_000, size: 'max' }), (bytes) => {
        const read = new DerReader(der.octets(bytes));
        expect(Buffer.from(read.next(0x04).content).equals(Buffer.from(bytes))).toBe(true);
        read.end();
        const number = new DerReader(der.integer(bytes)).next(0x02).content;
        expect(BigInt(`0x0${number.toString('hex')}`)).toBe(BigInt(`0x0${Buffer.from(bytes).toString('hex')}`));
        expect((number[0] as number) < 0x80).toBe(true);
      }),
      { numRuns: 60 },
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1 }),
        fc.integer({ min: 0, max: 39 }),
        fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { maxLength: 6 }),
        (a, b, rest) => {
          const text = [a, b, ...rest].join('.');
          expect(oidText(new DerReader(der.oid(text)).next(0x06).content)).toBe(text);
        },
      ),
    );
  });

  it('that is not strict is refused', () => {
    for (const hex of ['', '30', '3080', '308101', '30820001', '3084000000', '1f01', '0402aa', '3003020101'.slice(0, 8)])
      expect(() => new DerReader(Buffer.from(hex, 'hex')).next()).toThrow(DerError);
    expect(() => new DerReader(Buffer.from('0500', 'hex')).next(0x04)).toThrow(/belongs/);
    for (const hex of ['', '80', '2a86']) expect(() => oidText(Buffer.from(hex, 'hex'))).toThrow(DerError);
  });
});

describe('SPIFFE ids', () => {
  it('come back, and nothing else is one', () => {
    const identity = { trustDomain: 'example.org', namespace: 'prod', appId: 'Orders_1.2-x' };
    expect(parseSpiffeId(spiffeId(identity))).toEqual(identity);
    const bad = [
      'spiffe://public/ns/default',
      'spiffe://public/ns/default/a/b',
      'spiffe://public/sa/default/a',
      'spiffe://public/ns//a',
      'spiffe://public/ns/default/..',
      'spiffe://Public/ns/default/a',
      'spiffe://public:1/ns/default/a',
      'spiffe://u@public/ns/default/a',
      'spiffe://public/ns/default/a?x',
      'spiffe://public/ns/default/a#x',
      'spiffe://public/ns/default/%61',
      'SPIFFE://public/ns/default/a',
      'https://public/ns/default/a',
      `spiffe://public/ns/default/${'a'.repeat(300)}`,
      'spiffe://public/ns/default/a\n',
    ];
    for (const id of bad) expect(parseSpiffeId(id)).toBeUndefined();
    for (const wrong of [{ trustDomain: 'A' }, { namespace: 'a/b' }, { appId: '' }, { appId: '..' }, { appId: 'ä' }])
      expect(() => spiffeId({ ...identity, ...wrong })).toThrow(/cannot stand|is not a trust domain/);
  });
});
