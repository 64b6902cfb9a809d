import { describe, expect, it } from 'vitest';
import { recordingLogger } from '../../testing/driver-context.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { issueLeaf, issueRoot } from './certificate.ts';
import { openFileIdentity } from './file-identity.ts';
import { spiffeId } from './spiffe-id.ts';
import { createKeyPair } from './x509.ts';

const identity = { trustDomain: 'public', namespace: 'default', appId: 'orders' };
const files = { certificate: '/id/tls.crt', privateKey: '/id/tls.key', roots: '/id/ca.crt', pastRoots: '/id/past-ca.crt' };
const rootKeys = createKeyPair();
const { random } = nodePorts();
const startMs = Date.UTC(2026, 0, 1);
const root = issueRoot(rootKeys, {
  name: 'r',
  trustDomain: 'public',
  serial: random.bytes(16),
  notBeforeMs: startMs,
  notAfterMs: startMs + 1e10,
});

function leaf(uri = spiffeId(identity), notAfterMs = startMs + 7_200_000) {
  const keys = createKeyPair();
  const spec = {
    publicKey: keys.publicKey,
    serial: random.bytes(16),
    notBeforeMs: startMs,
    notAfterMs,
    issuer: { ...rootKeys, name: 'r' },
  };
  return { 'tls.crt': issueLeaf(spec, uri), 'tls.key': keys.privateKey, 'ca.crt': root };
}

function rig(first: Record<string, string> = leaf()) {
  const disk = createMemoryDisk();
  const put = (set: Record<string, string>): void => Object.entries(set).forEach(([name, text]) => disk.put(`/id/${name}`, text));
  put(first);
  const clock = createFakeClock(startMs);
  const lines: string[] = [];
  return {
    disk,
    put,
    clock,
    lines,
    open: () => openFileIdentity({ ports: { clock, disk }, log: recordingLogger(lines), identity, files }),
  };
}

const turn = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('an identity in files', () => {
  it('has roots that have retired when there is a file of them, and hears of it later', async () => {
    const { put, open, clock } = rig();
    const source = await open();
    expect(source.current()).not.toHaveProperty('pastRoots');
    put({ 'past-ca.crt': root });
    clock.advance(5_000);
    await turn();
    expect(source.current().pastRoots).toBe(root);
    source.close();
  });

  it('is taken, and taken anew when the files have come to rest', async () => {
    const first = leaf();
    const { open, put, clock } = rig(first);
    const source = await open();
    expect(source.current()).toEqual({
      certificate: first['tls.crt'],
      privateKey: first['tls.key'],
      roots: root,
      notAfterMs: startMs + 7_200_000,
    });
    let changes = 0;
    source.onChange(() => changes++);
    const next = leaf();
    put(next);
    clock.advance(250);
    await turn();
    expect([changes, source.current().certificate]).toEqual([1, next['tls.crt']]);
    clock.advance(60_000);
    await turn();
    expect(changes).toBe(1);
    source.close();
    expect(clock.waiting).toBe(0);
  });

  it('stays what it was while the files do not fit together, and says so once', async () => {
    const { open, put, clock, lines } = rig();
    const source = await open();
    const before = source.current();
    put({ 'tls.crt': leaf()['tls.crt'] });
    for (let i = 0; i < 5; i++) {
      clock.advance(6_000);
      await turn();
    }
    expect(source.current()).toBe(before);
    expect(lines.filter((line) => line.includes('is not the key of'))).toHaveLength(1);
    put(leaf());
    clock.advance(6_000);
    await turn();
    expect(source.current()).not.toBe(before);
    source.close();
  });

  it('stays when files come that have expired already', async () => {
    const first = leaf();
    const { open, put, clock, lines } = rig(first);
    const source = await open();
    clock.advance(3_700_000);
    put(leaf(spiffeId(identity), startMs + 60_000));
    clock.advance(250);
    await turn();
    expect(source.current().certificate).toBe(first['tls.crt']);
    expect(lines.at(-1)).toMatch(/former stay.*the certificate in \/id\/tls.crt expired at 2026-01-01T00:01:00/);
    source.close();
  });

  it('is used although it has expired when there is none before it, and that is told at once', async () => {
    const { open, lines } = rig(leaf(spiffeId(identity), startMs - 1));
    const source = await open();
    expect(lines).toEqual([expect.stringContaining('the certificate has expired and its file was not renewed')]);
    source.close();
  });

  it('warns before it expires and when it has expired', async () => {
    const { open, clock, lines } = rig();
    const source = await open();
    for (let i = 0; i < 130; i++) {
      clock.advance(60_000);
      await turn();
    }
    expect(lines.filter((line) => line.includes('expires within the hour'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes('has expired'))).toHaveLength(1);
    source.close();
  });

  const wrong: Record<string, [set: Record<string, string>, says: string]> = {
    'another app': [
      leaf(spiffeId({ ...identity, appId: 'admin' })),
      'is for spiffe://public/ns/default/admin, not for spiffe://public/ns/default/orders alone',
    ],
    'another trust domain': [leaf(spiffeId({ ...identity, trustDomain: 'other' })), 'is for spiffe://other/'],
    'the key of another certificate': [{ ...leaf(), 'tls.key': createKeyPair().privateKey }, 'is not the key of'],
    'no certificate': [{ ...leaf(), 'tls.crt': 'hello' }, 'holds no certificate'],
    'no roots': [{ ...leaf(), 'ca.crt': '' }, '/id/ca.crt holds no certificate'],
    'a certificate that is none': [
      { ...leaf(), 'tls.crt': '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
      'is not a certificate',
    ],
    'a huge file': [{ ...leaf(), 'ca.crt': 'x'.repeat(1_100_000) }, 'has more than 1048576 bytes'],
  };
  for (const [what, [set, says]] of Object.entries(wrong))
    it(`with ${what} is refused`, async () => {
      await expect(rig(set).open()).rejects.toMatchObject({ code: 'config.invalid', message: expect.stringContaining(says) as string });
    });

  it('that is not there is refused', async () => {
    const { disk, open } = rig();
    await disk.remove('/id/tls.key');
    await expect(open()).rejects.toMatchObject({
      code: 'config.invalid',
      message: expect.stringContaining('/id/tls.key cannot be read: ENOENT') as string,
    });
  });
});
