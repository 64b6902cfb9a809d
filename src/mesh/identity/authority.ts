import type { Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Disk, Random } from '../../kernel/ports.ts';
import { issueLeaf, issueRoot } from './certificate.ts';
import { readRoots, writeRoots, type Root } from './roots.ts';
import { readSigningRequest } from './signing-request.ts';
import { spiffeId, type AppIdentity } from './spiffe-id.ts';
import { identityTimings, type IdentityTimings } from './timings.ts';
import { createKeyPair } from './x509.ts';

export interface AuthorityOptions {
  readonly ports: { readonly clock: Clock; readonly disk: Disk; readonly random: Random };
  readonly log: Logger;
  readonly engine: Engine;
  /** Where the private keys lie, one 0600 file for each root; the owner of the engine alone opens them. */
  readonly directory: string;
  readonly trustDomain: string;
  readonly timings?: IdentityTimings;
}

/** The certificate authority of one trust domain. */
export interface Authority {
  /** A certificate for the app, when the request asks for exactly its name; a string says why not. */
  issue(request: Uint8Array, asker: AppIdentity): Promise<{ readonly certificate: string } | string>;
  /** Makes a new root known now; it signs after the overlap. The old one is trusted until what it signed has expired. */
  rotate(): Promise<void>;
}

/** Roots are kept in the engine, their keys in files. The first certificate that is asked for creates the first root. */
export function createAuthority(options: AuthorityOptions): Authority {
  return new EngineAuthority(options);
}

const attemptsMax = 5;

class EngineAuthority implements Authority {
  readonly #options: AuthorityOptions;
  readonly #timings: IdentityTimings;
  readonly #keys = new Map<string, string | undefined>();

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#timings = options.timings ?? identityTimings;
  }

  async issue(bytes: Uint8Array, asker: AppIdentity): Promise<{ readonly certificate: string } | string> {
    const { clock, random } = this.#options.ports;
    const request = readSigningRequest(bytes);
    if (typeof request === 'string') return request;
    const uri = spiffeId(asker);
    if (request.uri !== uri) return `${uri} asked for a certificate of ${JSON.stringify(request.uri.slice(0, 200))}`;
    const { root, privateKey } = await this.#signingRoot();
    const nowMs = clock.now();
    const certificate = issueLeaf(
      {
        publicKey: request.publicKey,
        serial: random.bytes(16),
        notBeforeMs: nowMs - this.#timings.skewMs,
        notAfterMs: Math.min(nowMs + this.#timings.leafMs, root.notAfterMs),
        issuer: { name: root.id, publicKey: Buffer.from(root.publicKey, 'base64'), privateKey },
      },
      uri,
    );
    return { certificate };
  }

  async rotate(): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt++) if (await this.#addRoot(this.#timings.overlapMs)) return;
    throw new ProaError('engine.unavailable', 'a new root of the mesh could not be written: others write it too');
  }

  /** The newest root that may sign and whose key is here. One is made when there is none, or when the newest is at half its life. */
  async #signingRoot(): Promise<{ root: Root; privateKey: string }> {
    const { engine, trustDomain, ports, log } = this.#options;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const { roots } = await readRoots(engine, trustDomain);
      const nowMs = ports.clock.now();
      const newest = roots.at(-1);
      if (newest !== undefined && nowMs - newest.createdMs > this.#timings.rootMs / 2) {
        log.info('the root of the mesh is at half its life; a new one follows it', { trust_domain: trustDomain });
        await this.#addRoot(this.#timings.overlapMs);
        continue;
      }
      for (const root of roots.toReversed()) {
        if (root.signsFromMs > nowMs || root.notAfterMs <= nowMs) continue;
        const privateKey = await this.#keyOf(root.id);
        if (privateKey !== undefined) return { root, privateKey };
      }
      await this.#addRoot(0);
    }
    throw new ProaError('engine.unavailable', 'the mesh has no root that can sign');
  }

  async #addRoot(delayMs: number): Promise<boolean> {
    const { engine, trustDomain, ports, directory, log } = this.#options;
    const { roots, version } = await readRoots(engine, trustDomain);
    const nowMs = ports.clock.now();
    const keys = createKeyPair();
    const id = `${trustDomain} ${ports.random.hex(16)}`;
    const notAfterMs = nowMs + this.#timings.rootMs;
    // Workloads whose clocks are behind must not see it in their future.
    const notBeforeMs = nowMs - 2 * this.#timings.skewMs;
    const certificate = issueRoot(keys, { name: id, trustDomain, serial: ports.random.bytes(16), notBeforeMs, notAfterMs });
    const root: Root = {
      id,
      certificate,
      publicKey: keys.publicKey.toString('base64'),
      createdMs: nowMs,
      signsFromMs: nowMs + delayMs,
      notAfterMs,
    };
    // The key first: a root that nobody can sign with would be worth nothing.
    await ports.disk.makeDirectory(directory, 0o700);
    await ports.disk.replaceFile(this.#pathOf(id), Buffer.from(keys.privateKey), 0o600);
    const trusted = this.#trusted(roots, nowMs);
    const retired = roots.filter((old) => !trusted.includes(old));
    const added = await writeRoots(engine, trustDomain, { roots: [...trusted, root], retired, version });
    if (added) log.info('a root of the mesh was made', { trust_domain: trustDomain, root: id });
    else await ports.disk.remove(this.#pathOf(id));
    if (added) for (const old of retired) await this.#destroyKey(old.id);
    return added;
  }

  // A retired root still vouches for what was signed in its time: nobody shall sign more by it.
  async #destroyKey(id: string): Promise<void> {
    this.#keys.delete(id);
    try {
      await this.#options.ports.disk.remove(this.#pathOf(id));
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT')
        this.#options.log.warn('the key of a retired root of the mesh could not be removed', { root: id, error: String(error) });
    }
  }

  /** Without those that expired, and those whose last certificate expired because a later root signs. */
  #trusted(roots: readonly Root[], nowMs: number): Root[] {
    const { leafMs, skewMs } = this.#timings;
    return roots.filter((root, i) => {
      const next = roots[i + 1];
      return root.notAfterMs > nowMs && (next === undefined || next.signsFromMs + leafMs + skewMs > nowMs);
    });
  }

  async #keyOf(id: string): Promise<string | undefined> {
    if (this.#keys.has(id)) return this.#keys.get(id);
    let key: string | undefined;
    try {
      key = Buffer.from(await this.#options.ports.disk.readFile(this.#pathOf(id))).toString('utf8');
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
      this.#options.log.warn('the key of a root of the mesh is not here', { root: id });
    }
    this.#keys.set(id, key);
    return key;
  }

  #pathOf(id: string): string {
    return `${this.#options.directory}/${id.replaceAll(/[^A-Za-z0-9.-]/g, '_')}.key`;
  }
}
