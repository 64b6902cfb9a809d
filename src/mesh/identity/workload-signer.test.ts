import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createRoot, issue, signerOf } from '../../../test/fixtures/signing-rig.ts';
import { pathsOf, readChain, readOne } from './certificate-path.ts';
import { der } from './der.ts';
import { issueLeaf, issueRoot } from './certificate.ts';
import { signDigestOf, verifyDigestOf } from './signing-keys.ts';
import { createKeyPair, pemCertificates, signatureAlgorithm, toPem } from './x509.ts';

const hourMs = 3_600_000;
const nowMs = Date.now();
const root = createRoot();
const derOf = (pem: string): Buffer => Buffer.concat(pemCertificates(pem));
const app = { namespace: 'default', appId: 'app' };

describe('what an app signs', () => {
  it('is verified by its certificate, and by no other, whatever was changed', () => {
    const { signer } = signerOf(root, { appId: 'app' });
    const { certificates, digest, sign: signs } = signer.current();
    expect(digest).toHaveLength(32);
    expect(signer.current()).toBe(signer.current());
    const signature = signs(Buffer.from('message'));
    expect(signer.verify(Buffer.from('message'), signature, certificates)).toBe(true);
    expect(signer.verify(Buffer.from('massage'), signature, certificates)).toBe(false);
    expect(signer.verify(Buffer.from('message'), signature, derOf(issue(root, { appId: 'app' }).certificate))).toBe(false);
    expect(signer.verify(Buffer.from('message'), signature, Buffer.from('no certificate'))).toBe(false);
    expect(signer.named(certificates)).toEqual(app);
    expect(signer.named(Buffer.from('no certificate'))).toBeUndefined();
  });

  it('is signed by a renewed certificate from then on', () => {
    const signing = signerOf(root, { appId: 'app' });
    const before = signing.signer.current();
    signing.replace(issue(root, { appId: 'app' }));
    expect(signing.signer.current().digest).not.toEqual(before.digest);
  });

  it.each(['ed25519', 'rsa', 'P-256', 'P-384', 'P-521'])('is signed by keys of type %s', (type) => {
    const { privateKey, publicKey } =
      type === 'ed25519'
        ? generateKeyPairSync('ed25519')
        : type === 'rsa'
          ? generateKeyPairSync('rsa', { modulusLength: 2048 })
          : generateKeyPairSync('ec', { namedCurve: type });
    const signature = signDigestOf(Buffer.from('message'), privateKey);
    expect(verifyDigestOf(Buffer.from('message'), signature, publicKey)).toBe(true);
    expect(verifyDigestOf(Buffer.from('massage'), signature, publicKey)).toBe(false);
    if (!type.startsWith('P-')) return;
    // As the protocol describes it: both numbers at full length.
    const fixed = sign('sha256', Buffer.from('message'), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    expect(verifyDigestOf(Buffer.from('message'), fixed, publicKey)).toBe(true);
    expect(verifyDigestOf(Buffer.from('massage'), fixed, publicKey)).toBe(false);
  });

  it('is not signed by keys that no certificate of ours has', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 });
    expect(() => signDigestOf(Buffer.from('m'), privateKey)).toThrow('rsa-pss');
    expect(verifyDigestOf(Buffer.from('m'), Buffer.alloc(256), publicKey)).toBe(false);
    const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    expect(verifyDigestOf(Buffer.from('m'), signDigestOf(Buffer.from('m'), curve.privateKey), curve.publicKey)).toBe(false);
  });
});

describe('certificates', () => {
  const { signer, replace } = signerOf(root, { appId: 'judge' });
  const judge = (pem: string, atMs = nowMs) => signer.judge(derOf(pem), atMs);

  it('name an app at the times at which they were valid, both ends included', () => {
    const fromMs = Math.floor(nowMs / 1000) * 1000 - 3 * hourMs;
    const { certificate } = issue(root, { appId: 'app', fromMs, toMs: fromMs + hourMs });
    for (const atMs of [fromMs, fromMs + 1, fromMs + hourMs]) expect(judge(certificate, atMs)).toEqual(app);
    for (const atMs of [fromMs - 1, fromMs + hourMs + 1, nowMs]) {
      expect(judge(certificate, atMs)).toEqual({ refused: expect.stringContaining('was not valid at') });
    }
  });

  it('are refused from anybody else', () => {
    expect(judge(issue(createRoot(), { appId: 'app' }).certificate)).toEqual({
      refused: expect.stringContaining('was not issued by an authority'),
    });
    expect(judge(root.pem)).toEqual({ refused: 'the certificate is that of an authority, not of an app' });
    expect(judge(issue(root, { appId: 'app', trustDomain: 'elsewhere' }).certificate)).toEqual({
      refused: expect.stringContaining('trust domain "elsewhere"'),
    });
    expect(signer.judge(Buffer.alloc(0), nowMs)).toEqual({ refused: expect.stringContaining('cannot be read') });
    expect(signer.judge(Buffer.concat([derOf(issue(root, { appId: 'app' }).certificate), Buffer.of(1)]), nowMs)).toEqual({
      refused: expect.stringContaining('cannot be read'),
    });
    const many = Buffer.concat(Array.from({ length: 9 }, () => derOf(root.pem)));
    expect(signer.judge(many, nowMs)).toEqual({ refused: expect.stringContaining('at most 8 certificates') });
    const keys = createKeyPair();
    const spec = {
      publicKey: keys.publicKey,
      serial: randomBytes(16),
      notBeforeMs: nowMs - 1000,
      notAfterMs: nowMs + hourMs,
      issuer: { ...root.keys, name: root.name },
    };
    expect(judge(issueLeaf(spec, 'spiffe://public/else'))).toEqual({ refused: expect.stringContaining('is not the id of an app') });
    // Signed by another key under the root's name.
    const forged = issueLeaf({ ...spec, issuer: { ...createKeyPair(), name: root.name } }, 'spiffe://public/ns/default/app');
    expect(judge(forged)).toEqual({ refused: expect.stringContaining('was not issued by an authority') });
  });

  it('of a root that has retired count as long as it is kept for that', () => {
    const next = createRoot('next');
    const { certificate } = issue(root, { appId: 'app' });
    replace({ roots: next.pem });
    expect(judge(certificate)).toEqual({ refused: expect.stringContaining('is, or was, trusted here') });
    replace({ roots: next.pem, pastRoots: `not a certificate\n${toPem('CERTIFICATE', Buffer.from('nor this'))}${root.pem}` });
    expect(judge(certificate)).toEqual(app);
    replace({ roots: root.pem, pastRoots: '' });
    expect(judge(certificate)).toEqual(app);
  });

  it('are taken over intermediate authorities, as long as those may issue them and were valid', () => {
    const mid = createKeyPair();
    const times = { notBeforeMs: nowMs - hourMs, notAfterMs: nowMs + hourMs };
    const top = createKeyPair();
    const authority = (path: number, over: { keys: typeof top; name: string }, more = {}): Buffer => {
      const self = issueRoot(mid, { name: 'mid', trustDomain: 'public', serial: randomBytes(16), ...times, ...more });
      return reissued(derOf(self), over, path);
    };
    // The root is one without a bound of its path, made from another by signing it anew.
    const open = reissued(
      derOf(issueRoot(top, { name: 'top', trustDomain: 'public', serial: randomBytes(16), ...times })),
      { keys: top, name: 'top' },
      1,
    );
    const leaf = derOf(issue({ name: 'mid', keys: mid, pem: '' }, { appId: 'app' }).certificate);
    const paths = (over: Buffer): number => pathsOf(readChain(Buffer.concat([leaf, over])), [readOne(open)]).length;
    expect(paths(authority(0, { keys: top, name: 'top' }))).toBe(1);
    expect(paths(authority(0, { keys: createKeyPair(), name: 'top' }))).toBe(0);
    expect(paths(authority(0, { keys: top, name: 'top' }, { notBeforeMs: nowMs - 9 * hourMs, notAfterMs: nowMs - 8 * hourMs }))).toBe(0);
    // A root whose path ends at once has no authority below it.
    const tight = reissued(open, { keys: top, name: 'top' }, 0);
    expect(pathsOf(readChain(Buffer.concat([leaf, authority(0, { keys: top, name: 'top' })])), [readOne(tight)])).toEqual([]);
  });
});

/** A certificate of an authority signed by another issuer, with another bound of its path. */
function reissued(certificate: Buffer, over: { keys: ReturnType<typeof createKeyPair>; name: string }, path: number): Buffer {
  const x509 = new X509Certificate(certificate);
  const tbs = certificate.subarray(4, 4 + 4 + certificate.readUInt16BE(6));
  const issuer = Buffer.from(x509.issuer.match(/CN=(.*)/)?.[1] ?? '');
  const swapped = Buffer.from(tbs);
  const at = swapped.indexOf(issuer);
  const name = Buffer.from(over.name);
  if (name.length !== issuer.length) throw new Error('names of one length only');
  name.copy(swapped, at);
  const basic = swapped.indexOf(Buffer.from('30060101ff0201', 'hex'));
  swapped[basic + 7] = path;
  // The key id of the issuer is not looked at when there is none; ours have none in roots.
  return der.sequence(swapped, signatureAlgorithm, der.bits(sign('sha256', swapped, over.keys.privateKey)));
}
