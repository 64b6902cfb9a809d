import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createMemoryEngine } from '../../drivers/engine-memory/memory-engine.ts';
import { silentLogger } from '../../kernel/log.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { changedEngine } from '../../testing/changed-engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { recordingLogger } from '../../testing/driver-context.ts';
import { createMemoryDisk } from '../../testing/memory-disk.ts';
import { createAuthority } from './authority.ts';
import { openIssuedIdentity } from './issued-identity.ts';
import { readPastRoots, readRoots, rootsKey } from './roots.ts';
import { answerKey, askKey, asksPrefix, createSigningDesk } from './signing-desk.ts';
import { createSigningRequest } from './signing-request.ts';
import { spiffeId } from './spiffe-id.ts';
import { identityTimings } from './timings.ts';
import { createKeyPair } from './x509.ts';

const identity = { trustDomain: 'public', namespace: 'default', appId: 'orders' };
const { leafMs, overlapMs, rootMs, skewMs } = identityTimings;

function rig() {
  const clock = createFakeClock(Date.UTC(2026, 0, 1));
  const disk = createMemoryDisk();
  const { random } = nodePorts();
  const engine = createMemoryEngine({ clock });
  const ports = { clock, disk, random };
  const lines: string[] = [];
  const options = { ports, log: recordingLogger(lines), engine, directory: '/data/authority' };
  return { clock, disk, engine, ports, options, lines };
}

const turn = async (): Promise<void> => {
  for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the authority', () => {
  it('makes a root with the first certificate, keeps its key in a private file, and signs what is asked for', async () => {
    const { options, disk, engine, clock } = rig();
    const authority = createAuthority({ ...options, trustDomain: 'public' });
    const keys = createKeyPair();
    const issued = await authority.issue(createSigningRequest(keys, spiffeId(identity)), identity);
    const { roots } = await readRoots(engine, 'public');
    expect(roots).toHaveLength(1);
    const certificate = new X509Certificate((issued as { certificate: string }).certificate);
    const root = new X509Certificate(roots[0]?.certificate as string);
    expect(certificate.verify(root.publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBe('URI:spiffe://public/ns/default/orders');
    expect([Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]).toEqual([clock.now() - skewMs, clock.now() + leafMs]);
    expect(Date.parse(root.validFrom)).toBeLessThan(Date.parse(certificate.validFrom));
    const [file] = await disk.list('/data/authority');
    expect(Buffer.from(await disk.readFile(`/data/authority/${file}`)).toString()).toContain('PRIVATE KEY');
    expect(JSON.stringify(await readRoots(engine, 'public'))).not.toContain('PRIVATE');
  });

  it('refuses to name one app by the certificate of another', async () => {
    const authority = createAuthority({ ...rig().options, trustDomain: 'public' });
    const request = createSigningRequest(createKeyPair(), spiffeId({ ...identity, appId: 'admin' }));
    expect(await authority.issue(request, identity)).toContain(
      'spiffe://public/ns/default/orders asked for a certificate of "spiffe://public/ns/default/admin"',
    );
    expect(await authority.issue(Buffer.from('nonsense'), identity)).toContain('not valid');
  });

  it('rotates its root with an overlap: known first, signing later, the old one trusted until its last certificate is over', async () => {
    const { options, engine, clock, disk } = rig();
    const authority = createAuthority({ ...options, trustDomain: 'public' });
    const issuer = async (): Promise<string> => {
      const issued = await authority.issue(createSigningRequest(createKeyPair(), spiffeId(identity)), identity);
      return new X509Certificate((issued as { certificate: string }).certificate).issuer;
    };
    const ids = async (): Promise<string[]> => (await readRoots(engine, 'public')).roots.map(({ id }) => id);
    const first = await issuer();
    await authority.rotate();
    expect(await ids()).toHaveLength(2);
    expect(await issuer()).toBe(first);
    clock.advance(overlapMs);
    expect(await issuer()).not.toBe(first);
    clock.advance(leafMs + skewMs);
    await authority.rotate();
    expect(await ids()).toHaveLength(2);
    expect((await ids()).some((id) => first.includes(id))).toBe(false);
    // What it signed stays signed; nobody signs more by it.
    const past = await readPastRoots(engine, 'public');
    expect(past.map(({ id }) => first.includes(id))).toEqual([true]);
    expect(await disk.list('/data/authority')).toHaveLength(2);
  });

  it('rotates by itself at half the life of a root, again and again, and every certificate is within its root', async () => {
    const { options, engine, clock } = rig();
    const authority = createAuthority({ ...options, trustDomain: 'public' });
    const seen = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const issued = await authority.issue(createSigningRequest(createKeyPair(), spiffeId(identity)), identity);
      const certificate = new X509Certificate((issued as { certificate: string }).certificate);
      const { roots } = await readRoots(engine, 'public');
      const root = roots.find(({ id }) => certificate.issuer.includes(id));
      expect(root?.notAfterMs).toBeGreaterThanOrEqual(Date.parse(certificate.validTo));
      expect(roots.length).toBeLessThanOrEqual(3);
      seen.add(certificate.issuer);
      clock.advance(rootMs / 20);
    }
    expect(seen.size).toBeGreaterThanOrEqual(3);
  });

  it('makes a new root when the key is gone', async () => {
    const { options, engine, disk } = rig();
    await createAuthority({ ...options, trustDomain: 'public' }).issue(createSigningRequest(createKeyPair(), spiffeId(identity)), identity);
    for (const file of await disk.list('/data/authority')) await disk.remove(`/data/authority/${file}`);
    const again = await createAuthority({ ...options, trustDomain: 'public' }).issue(
      createSigningRequest(createKeyPair(), spiffeId(identity)),
      identity,
    );
    expect(again).toHaveProperty('certificate');
    expect((await readRoots(engine, 'public')).roots).toHaveLength(2);
  });

  it('agrees on one root when two begin at once', async () => {
    const { options, engine } = rig();
    const two = [createAuthority({ ...options, trustDomain: 'public' }), createAuthority({ ...options, trustDomain: 'public' })];
    await Promise.all(two.map((authority) => authority.issue(createSigningRequest(createKeyPair(), spiffeId(identity)), identity)));
    expect((await readRoots(engine, 'public')).roots).toHaveLength(1);
  });
});

describe('an identity by the engine', () => {
  function served() {
    const made = rig();
    const desk = createSigningDesk(made.options);
    made.engine.watch(asksPrefix, () => void desk.serve());
    return { ...made, desk };
  }

  it('is issued, renewed early, and follows new roots', async () => {
    const { engine, ports, clock, desk } = served();
    const opening = openIssuedIdentity({ ports, log: silentLogger, engine, identity });
    await turn();
    clock.advance(60);
    const source = await opening;
    const first = source.current();
    expect(first.notAfterMs).toBe(Math.floor((clock.now() + leafMs) / 1000) * 1000);
    let changes = 0;
    source.onChange(() => changes++);
    await desk.authority('public').rotate();
    await turn();
    expect(changes).toBe(1);
    expect(source.current().roots.match(/BEGIN/g)).toHaveLength(2);
    expect(source.current().certificate).toBe(first.certificate);
    clock.advance(leafMs * 0.5 - 1000);
    await turn();
    expect(source.current().certificate).toBe(first.certificate);
    for (let passedMs = 0; passedMs < leafMs * 0.18; passedMs += 3_000) {
      clock.advance(3_000);
      await turn();
    }
    expect(source.current().certificate).not.toBe(first.certificate);
    expect(source.current().privateKey).not.toBe(first.privateKey);
    expect(
      (await engine.range({ from: '', to: '\u{10ffff}' })).entries.map(({ key }) => key).filter((key) => key.includes('asks')),
    ).toEqual([]);
    source.close();
    expect(clock.waiting).toBe(0);
  });

  it('hears of roots that retire, and keeps them apart from those that are trusted for connections', async () => {
    const { engine, ports, clock, desk } = served();
    const opening = openIssuedIdentity({ ports, log: silentLogger, engine, identity });
    await turn();
    clock.advance(60);
    const source = await opening;
    const [first] = (await readRoots(engine, 'public')).roots;
    expect(source.current().pastRoots).toBe('');
    await desk.authority('public').rotate();
    clock.advance(overlapMs + leafMs + skewMs);
    await desk.authority('public').rotate();
    await turn();
    expect(source.current().pastRoots).toBe(first?.certificate);
    expect(source.current().roots).not.toContain(first?.certificate);
    source.close();
  });

  it('goes on with what it has while the owner is silent, says so, and tries again', async () => {
    const made = rig();
    const { engine, ports, clock, options, lines } = made;
    const desk = createSigningDesk(options);
    let silent = false;
    engine.watch(asksPrefix, () => silent || void desk.serve());
    const opening = openIssuedIdentity({ ports, log: options.log, engine, identity });
    await turn();
    clock.advance(60);
    const source = await opening;
    const first = source.current();
    const failures: unknown[] = [];
    source.onFailure((error) => failures.push(error));
    silent = true;
    // Up to two thirds of an hour until the renewal begins, by chance, and 15 s until it is given up.
    for (let i = 0; i < 420; i++) {
      clock.advance(6_000);
      await turn();
    }
    expect(source.current()).toBe(first);
    expect(lines.join('\n')).toContain('the certificate cannot be renewed');
    expect(failures.length).toBeGreaterThan(0);
    silent = false;
    for (let i = 0; i < 10; i++) {
      clock.advance(6_000);
      await turn();
    }
    expect(source.current()).not.toBe(first);
    source.close();
  });

  it('keeps a certificate that was renewed while new roots were read', async () => {
    const { engine, ports, clock, desk } = served();
    let hold: Promise<void> | undefined;
    const slow = changedEngine(engine, {
      async get(key) {
        const entry = await engine.get(key);
        if (key === rootsKey('public')) await hold;
        return entry;
      },
    });
    const opening = openIssuedIdentity({ ports, log: silentLogger, engine: slow, identity });
    await turn();
    clock.advance(60);
    const source = await opening;
    const first = source.current();
    let release: () => void = () => {};
    hold = new Promise((resolve) => (release = resolve));
    await desk.authority('public').rotate();
    await turn();
    hold = undefined;
    for (let passedMs = 0; passedMs < leafMs * 0.68; passedMs += 3_000) {
      clock.advance(3_000);
      await turn();
    }
    const renewed = source.current();
    expect(renewed.certificate).not.toBe(first.certificate);
    release();
    await turn();
    expect(source.current()).toMatchObject({ certificate: renewed.certificate, privateKey: renewed.privateKey });
    source.close();
  });

  it('is issued although another request cannot be answered', async () => {
    const { engine, options, lines } = rig();
    const desk = createSigningDesk(options);
    desk.authority('public');
    for (let i = 1; i < 100; i++) desk.authority(`domain-${i}`);
    const one = askKey({ ...identity, trustDomain: 'one too many' }, 'x');
    const request = createSigningRequest(createKeyPair(), spiffeId(identity));
    await engine.commit({ put: [one, askKey(identity, 'x')].map((key) => ({ key, value: request })) });
    await desk.serve();
    expect(await engine.get(answerKey(identity, 'x'))).toBeDefined();
    expect(await engine.get(one)).toBeDefined();
    expect(lines.join('\n')).toContain('more than 100 trust domains');
  });

  it('is refused when the request asks for another name than its place says', async () => {
    const { engine, desk, lines } = served();
    const key = askKey(identity, 'x');
    await engine.commit({ put: [{ key, value: createSigningRequest(createKeyPair(), spiffeId({ ...identity, appId: 'admin' })) }] });
    await turn();
    await desk.serve();
    expect(await engine.get(key)).toBeUndefined();
    expect(lines.join()).toContain('a signing request was refused');
  });

  it('cannot be had without an owner', async () => {
    const { engine, ports, clock } = rig();
    const opening = openIssuedIdentity({ ports, log: silentLogger, engine, identity, timeoutMs: 1_000 });
    opening.catch(() => {});
    for (let i = 0; i < 30; i++) {
      await turn();
      clock.advance(60);
    }
    await expect(opening).rejects.toMatchObject({ code: 'identity.unavailable' });
    expect(clock.waiting).toBe(0);
  });
});
