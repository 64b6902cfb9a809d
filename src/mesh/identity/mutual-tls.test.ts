import { afterEach, describe, expect, it } from 'vitest';
import { bytesBody, collect, emptyBody } from '../../kernel/body.ts';
import type { Address } from '../../kernel/ports.ts';
import { nodePorts } from '../../ports/node/index.ts';
import { createMuxClient, type MuxClient } from '../../wire/mux/client.ts';
import { goawayBytes } from '../../wire/mux/frame.ts';
import { protocolName } from '../../wire/mux/hello.ts';
import { serveMux, type MuxCall, type MuxServer } from '../../wire/mux/server.ts';
import { createMutualTlsNetwork, type TlsIdentity } from '../../wire/tls/mutual-network.ts';
import { issueLeaf, issueRoot } from './certificate.ts';
import { spiffeId, type AppIdentity } from './spiffe-id.ts';
import { verifyPeer } from './verify-peer.ts';
import { createKeyPair, type KeyPair } from './x509.ts';
import tls from 'node:tls';

const ports = nodePorts();
const hour = 3_600_000;

interface Root {
  readonly keys: KeyPair;
  readonly pem: string;
  readonly name: string;
}

function makeRoot(name: string): Root {
  const keys = createKeyPair();
  return {
    keys,
    name,
    pem: issueRoot(keys, {
      name,
      trustDomain: 'public',
      serial: Buffer.from(ports.random.bytes(16)),
      notBeforeMs: Date.now() - 48 * hour,
      notAfterMs: Date.now() + 48 * hour,
    }),
  };
}

const ours = makeRoot('ours');
const theirs = makeRoot('theirs');

interface Made extends Partial<AppIdentity> {
  readonly root?: Root;
  readonly trusts?: readonly Root[];
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly uri?: string;
}

function identity(appId: string, made: Made = {}): TlsIdentity {
  const { root = ours, trusts = [ours], fromMs = -hour, toMs = hour, trustDomain = 'public', namespace = 'default' } = made;
  const keys = createKeyPair();
  const certificate = issueLeaf(
    {
      publicKey: keys.publicKey,
      serial: ports.random.bytes(16),
      notBeforeMs: Date.now() + fromMs,
      notAfterMs: Date.now() + toMs,
      issuer: { ...root.keys, name: root.name },
    },
    made.uri ?? spiffeId({ trustDomain, namespace, appId }),
  );
  return { certificate, privateKey: keys.privateKey, roots: trusts.map(({ pem }) => pem).join('') };
}

const open: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

function network(current: () => TlsIdentity, log: string[], app?: { namespace: string; appId: string }) {
  return createMutualTlsNetwork<AppIdentity>({
    identity: current,
    verify(shown) {
      const verdict = verifyPeer(shown, { trustDomain: 'public', nowMs: Date.now(), ...(app === undefined ? {} : { app }) });
      return 'refused' in verdict ? verdict : { peer: verdict };
    },
    protocol: protocolName,
    refusal: (reason) => goawayBytes('identity', reason),
    onRefused: (_remote, reason) => void log.push(reason),
    handshakeTimeoutMs: 60_000,
    readBuffer: Buffer.alloc(64 * 1024),
  });
}

async function serve(current: () => TlsIdentity, handler: (call: MuxCall<AppIdentity>) => void = answer) {
  const log: string[] = [];
  const made = network(current, log);
  const server: MuxServer = await serveMux({
    network: made,
    clock: ports.clock,
    address: { host: '127.0.0.1', port: 0 },
    identify: ({ peer }) => peer,
    handler,
  });
  open.push(() => server.close());
  return { server, log, address: server.address, renewed: () => made.renewed() };
}

function answer(call: MuxCall<AppIdentity>): void {
  call.stream.send(['200', spiffeId(call.peer)], call.body);
}

function connect(
  address: Address,
  current: () => TlsIdentity,
  app = { namespace: 'default', appId: 'server' },
): { client: MuxClient; log: string[] } {
  const log: string[] = [];
  const client = createMuxClient({ network: network(current, log, app), clock: ports.clock, random: ports.random, address });
  open.push(() => client.close());
  return { client, log };
}

const ask = (client: MuxClient) => client.request({ fields: ['GET'], body: bytesBody(Buffer.from('hello')) });

describe('two runtimes over TLS 1.3', () => {
  it('know each other by their certificates', async () => {
    const { address } = await serve(() => identity('server'));
    const { client } = connect(address, () => identity('client', { namespace: 'prod' }));
    const got = await ask(client);
    expect(got.fields).toEqual(['200', 'spiffe://public/ns/prod/client']);
    expect(Buffer.from(await collect(got.body, 10)).toString()).toBe('hello');
  });

  const server = () => identity('server');
  const refusals: Record<string, { server?: TlsIdentity; client?: TlsIdentity; says: string; who: 'client' | 'server' }> = {
    'an expired client': {
      client: identity('client', { fromMs: -3 * hour, toMs: -hour }),
      says: 'the certificate expired at ',
      who: 'server',
    },
    'an expired server': {
      server: identity('server', { fromMs: -3 * hour, toMs: -hour }),
      says: 'the certificate expired at ',
      who: 'client',
    },
    'a client of the future': {
      client: identity('client', { fromMs: hour, toMs: 2 * hour }),
      says: 'the certificate is valid from ',
      who: 'server',
    },
    'a server of the future': {
      server: identity('server', { fromMs: hour, toMs: 2 * hour }),
      says: 'the certificate is valid from ',
      who: 'client',
    },
    'a client of another trust domain': {
      client: identity('client', { trustDomain: 'evil' }),
      says: 'of the trust domain "evil", not of "public"',
      who: 'server',
    },
    'a server of another trust domain': {
      server: identity('server', { trustDomain: 'evil' }),
      says: 'of the trust domain "evil", not of "public"',
      who: 'client',
    },
    'a client of another authority': {
      client: identity('client', { root: theirs }),
      says: 'not issued by an authority that is trusted here',
      who: 'server',
    },
    'a server of another authority': {
      server: identity('server', { root: theirs }),
      says: 'not issued by an authority that is trusted here',
      who: 'client',
    },
    'another app at the address': {
      server: identity('other'),
      says: 'is that of spiffe://public/ns/default/other, but the call is for the app "server"',
      who: 'client',
    },
    'the same app of another namespace': {
      server: identity('server', { namespace: 'prod' }),
      says: 'but the call is for the app "server" of the namespace "default"',
      who: 'client',
    },
    'a client whose name is no app': {
      client: identity('client', { uri: 'spiffe://public/host/x' }),
      says: 'is not the id of an app',
      who: 'server',
    },
    'a client with a URL for a name': {
      client: identity('client', { uri: 'https://public/' }),
      says: 'is not the id of an app',
      who: 'server',
    },
  };
  for (const [what, refusal] of Object.entries(refusals)) {
    it(`refuse ${what}, and both sides know why`, async () => {
      const there = await serve(() => refusal.server ?? server());
      const here = connect(there.address, () => refusal.client ?? identity('client'));
      await expect(ask(here.client)).rejects.toMatchObject({ message: expect.stringContaining(refusal.says) });
      // The side that refuses logs once; the other hears the reason.
      const log = refusal.who === 'server' ? there.log : here.log;
      expect(log).toHaveLength(1);
      expect(log[0]).toContain(refusal.says);
      expect(there.server.calls).toBe(0);
    });
  }

  it('tolerate clocks that differ by less than the allowance', async () => {
    const { address } = await serve(server);
    const { client } = connect(address, () => identity('client', { fromMs: -60_000, toMs: 60_000 }));
    expect((await ask(client)).fields[0]).toBe('200');
  });

  it('take no TLS 1.2, no client without a certificate, no other protocol', async () => {
    const { address, log, server: mux } = await serve(server);
    const { port } = address as { port: number };
    const attempt = (options: tls.ConnectionOptions) =>
      new Promise<string>((resolve) => {
        const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
        let text = '';
        socket.on('data', (chunk) => (text += chunk.toString('latin1')));
        socket.on('error', (error) => resolve(error.message));
        socket.on('end', () => socket.end());
        socket.on('close', () => resolve(text));
      });
    expect(await attempt({ maxVersion: 'TLSv1.2', ALPNProtocols: [protocolName] })).toMatch(/protocol version|alert/);
    expect(await attempt({ ALPNProtocols: [protocolName] })).toContain('showed no certificate');
    expect(await attempt({ ALPNProtocols: ['h2'] })).toMatch(/no application protocol|alert/);
    const shown = identity('client');
    expect(await attempt({ cert: shown.certificate, key: shown.privateKey })).toContain('does not speak proa/1');
    expect(log.length).toBeGreaterThanOrEqual(3);
    expect(mux.connections).toBe(0);
  });

  it('change certificates and roots while streams go on', async () => {
    let [mine, its] = [identity('client'), identity('server')];
    const held: MuxCall<AppIdentity>[] = [];
    const {
      address,
      renewed,
      server: mux,
    } = await serve(
      () => its,
      (call) => (call.fields[0] === 'HOLD' ? void held.push(call) : answer(call)),
    );
    const { client } = connect(address, () => mine);
    const long = client.request({ fields: ['HOLD'], body: emptyBody });
    for (let round = 0; round < 5; round++) {
      const next = makeRoot(`next ${round}`);
      // Known first, signing later: both sides trust both roots before either uses the new one.
      [mine, its] = [
        { ...mine, roots: mine.roots + next.pem },
        { ...its, roots: its.roots + next.pem },
      ];
      renewed();
      client.renew();
      expect((await ask(client)).fields[0]).toBe('200');
      mine = { ...identity('client', { root: next }), roots: mine.roots };
      its = { ...identity('server', { root: next }), roots: its.roots };
      renewed();
      client.renew();
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(client)));
      expect(new Set(answers.map(({ fields }) => fields[0]))).toEqual(new Set(['200']));
    }
    held[0]?.stream.send(['201'], emptyBody);
    expect((await long).fields).toEqual(['201']);
    expect(mux.connections).toBeGreaterThanOrEqual(1);
  });
});
