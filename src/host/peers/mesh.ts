import type { Engine } from '../../contracts/engine.ts';
import type { Caller } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Address, Ports } from '../../kernel/ports.ts';
import { openFileIdentity } from '../../mesh/identity/file-identity.ts';
import type { IdentitySource } from '../../mesh/identity/identity-source.ts';
import { openIssuedIdentity } from '../../mesh/identity/issued-identity.ts';
import type { AppIdentity } from '../../mesh/identity/spiffe-id.ts';
import { verifyPeer } from '../../mesh/identity/verify-peer.ts';
import { goawayBytes } from '../../wire/mux/frame.ts';
import { protocolName, type Sharing } from '../../wire/mux/hello.ts';
import { serveMux, type MuxServer } from '../../wire/mux/server.ts';
import { createMutualTlsNetwork, type MutualTlsNetwork } from '../../wire/tls/mutual-network.ts';
import type { CalledApp } from '../machine.ts';
import type { CallFields } from './call-fields.ts';
import { serveCalls } from './serve-calls.ts';

export interface MeshOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly engine: Engine;
  readonly identity: AppIdentity;
  /** Where `tls.crt`, `tls.key`, `ca.crt` and perhaps `past-ca.crt` lie, perhaps in a folder named as the app. Absent: the engine's authority issues. */
  readonly identityDirectory?: string;
}

/** One app's place in the mesh: its identity, and networks that show and demand certificates. */
export interface Mesh {
  readonly source: IdentitySource;
  /** Connections to the given app and nobody else. */
  networkTo(app: Pick<AppIdentity, 'namespace' | 'appId'>): MutualTlsNetwork<AppIdentity>;
  /** Serves calls of other machines for the app, which `appOf` answers for each. */
  listen(address: Address, appOf: (call: CallFields) => CalledApp, sharing?: Sharing): Promise<MuxServer>;
  close(): void;
}

const handshakeTimeoutMs = 5_000;
const readBufferBytes = 64 * 1024;
/** As long as a certificate of ours lives: whoever has none any more is out within this time. */
const lifetimeMs = 3_600_000;

/** Opens an app's identity. Fails with `identity.unavailable`, or `config.invalid` when its files cannot be used. */
export async function openMesh(options: MeshOptions): Promise<Mesh> {
  const { ports, identity } = options;
  const log = options.log.scoped('proa.mesh');
  const source = await openSource({ ...options, log });
  const readBuffer = Buffer.allocUnsafeSlow(readBufferBytes);
  const listening = new Set<MutualTlsNetwork<AppIdentity>>();
  source.onChange(() => listening.forEach((network) => network.renewed()));
  const networkTo = (app?: Pick<AppIdentity, 'namespace' | 'appId'>): MutualTlsNetwork<AppIdentity> => {
    return createMutualTlsNetwork<AppIdentity>({
      identity: () => source.current(),
      verify(shown) {
        const verdict = verifyPeer(shown, {
          trustDomain: identity.trustDomain,
          nowMs: ports.clock.now(),
          ...(app === undefined ? {} : { app }),
        });
        return 'refused' in verdict ? verdict : { peer: verdict };
      },
      protocol: protocolName,
      refusal: (reason) => goawayBytes('identity', reason),
      onRefused: (remote, reason) => log.warn('a connection between runtimes was refused', { remote, reason }),
      handshakeTimeoutMs,
      readBuffer,
      ...(ports.network.bind !== undefined && { bind: ports.network.bind }),
    });
  };
  return {
    source,
    networkTo,
    async listen(address, appOf, sharing) {
      const network = networkTo();
      listening.add(network);
      return serveMux({
        network,
        clock: ports.clock,
        address,
        identify: ({ peer }): Caller => ({ appId: peer.appId, namespace: peer.namespace }),
        handler: serveCalls(ports.clock, (call, caller: Caller) => {
          if (call.appId !== identity.appId || call.namespace !== identity.namespace)
            throw new ProaError('invoke.unreachable', `this is the runtime of "${identity.appId}", not of "${call.appId}"`);
          return { app: appOf(call), caller };
        }),
        lifetimeMs,
        sharing,
        onBroken: (remote, error) => log.warn('a runtime broke the protocol', { remote, error: error.message }),
      });
    },
    close: () => source.close(),
  };
}

async function openSource({ ports, log, engine, identity, identityDirectory }: MeshOptions): Promise<IdentitySource> {
  if (identityDirectory === undefined) return openIssuedIdentity({ ports, log, engine, identity });
  const own = `${identityDirectory}/${identity.appId}`;
  const directory = (await ports.disk.stat(own)) === undefined ? identityDirectory : own;
  const files = {
    certificate: `${directory}/tls.crt`,
    privateKey: `${directory}/tls.key`,
    roots: `${directory}/ca.crt`,
    pastRoots: `${directory}/past-ca.crt`,
  };
  return openFileIdentity({ ports, log, identity, files });
}
