import { noMetrics, type Metrics } from '../contracts/metrics.ts';
import type { Caller } from '../kernel/call.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import { labelNames, metricNames } from '../kernel/names.ts';
import type { Ports } from '../kernel/ports.ts';
import { tuple } from '../kernel/tuple.ts';
import type { IdentitySource } from '../mesh/identity/identity-source.ts';
import type { SigningDesk } from '../mesh/identity/signing-desk.ts';
import type { SharedEngine } from './engine/shared-engine.ts';
import type { Mesh } from './peers/mesh.ts';
import type { PeerLinks } from './peers/peer-links.ts';

export interface MachinePeersOptions {
  readonly ports: Ports;
  readonly log: Logger;
  readonly engine: SharedEngine;
  /** Below it the keys of the authority lie. */
  readonly dataDirectory: string;
  /** Certificates of another issuer; absent: the engine's authority. */
  readonly identityDirectory?: string;
}

/** How this process reaches other runtimes and is known to them. Nothing of TLS, certificates or the mux is loaded before it is needed. */
export interface MachinePeers {
  /** Says of which trust domain an app is, which certificates name, and where its certificates are counted. */
  join(app: Caller, trustDomain: string, metrics: Metrics): void;
  links(): PeerLinks | Promise<PeerLinks>;
  /** The app's place in the mesh; its certificate is asked for on first use. Fails with `identity.unavailable` or `config.invalid`. */
  mesh(app: Caller): Promise<Mesh>;
  close(): Promise<void>;
}

const publicDomain = 'public';

/** The process that owns the engine answers the signing requests of all. */
export function createMachinePeers(options: MachinePeersOptions): MachinePeers {
  const { engine, ports, log } = options;
  const joined = new Map<string, { readonly trustDomain: string; readonly metrics: Metrics }>();
  const meshes = new Map<string, Promise<Mesh>>();
  let links: PeerLinks | Promise<PeerLinks> | undefined;
  let desk: Promise<SigningDesk> | undefined;
  let closed = false;

  const unwatch = engine.watch(tuple('identity', 'asks'), () => {
    if (!engine.owner || closed) return;
    desk ??= import('../mesh/identity/signing-desk.ts').then(({ createSigningDesk }) =>
      createSigningDesk({ ports, log: log.scoped('proa.authority'), engine, directory: `${options.dataDirectory}/authority` }),
    );
    desk
      .then((opened) => opened.serve())
      .catch((error: unknown) =>
        log.warn('signing requests cannot be answered', { error: error instanceof Error ? error.message : String(error) }),
      );
  });
  const mesh = (app: Caller): Promise<Mesh> => {
    const { trustDomain, metrics } = joined.get(`${app.namespace}/${app.appId}`) ?? { trustDomain: publicDomain, metrics: noMetrics };
    const id = `${trustDomain}/${app.namespace}/${app.appId}`;
    let opening = meshes.get(id);
    if (opening === undefined) {
      const { identityDirectory } = options;
      const identity = { trustDomain, namespace: app.namespace, appId: app.appId };
      opening = import('./peers/mesh.ts').then(({ openMesh }) =>
        openMesh({ ports, log, engine, identity, ...(identityDirectory === undefined ? {} : { identityDirectory }) }),
      );
      meshes.set(id, opening);
      opening.then(
        ({ source }) => countIdentity(source, metrics),
        (error: unknown) => {
          meshes.delete(id);
          metrics.counter(metricNames.mtlsInitFail, { [labelNames.reason]: ProaError.from(error).code }).add(1);
        },
      );
    }
    return opening;
  };
  return {
    join: (app, trustDomain, metrics) => void joined.set(`${app.namespace}/${app.appId}`, { trustDomain, metrics }),
    mesh,
    links() {
      links ??= import('./peers/peer-links.ts').then(({ createPeerLinks }) => (links = createPeerLinks({ ports, mesh })));
      return links;
    },
    async close() {
      closed = true;
      unwatch();
      await (await links)?.close();
      for (const opening of meshes.values()) await opening.then((opened) => opened.close()).catch(() => {});
    },
  };
}

/** How an app's certificate does, as Dapr counts it, and until when it lasts. */
function countIdentity(source: IdentitySource, metrics: Metrics): void {
  const expiry = metrics.gauge(metricNames.mtlsExpiry, {});
  let known = source.current();
  expiry.set(known.notAfterMs / 1000);
  metrics.counter(metricNames.mtlsInit, {}).add(1);
  source.onChange(() => {
    const now = source.current();
    // Other roots are no rotation.
    if (now.certificate !== known.certificate) metrics.counter(metricNames.mtlsRotated, {}).add(1);
    known = now;
    expiry.set(now.notAfterMs / 1000);
  });
  source.onFailure((error) => metrics.counter(metricNames.mtlsRotatedFail, { [labelNames.reason]: ProaError.from(error).code }).add(1));
}
