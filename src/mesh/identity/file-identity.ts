import { nodeCrypto } from '../../kernel/node-crypto.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Disk, Timer } from '../../kernel/ports.ts';
import { Rounds } from '../../kernel/rounds.ts';
import { DerError } from './der-reader.ts';
import { IdentityListeners } from './identity-listeners.ts';
import type { IdentityDocument, IdentitySource } from './identity-source.ts';
import { spiffeId, type AppIdentity } from './spiffe-id.ts';
import { pemCertificates, readCertificate } from './x509.ts';

export interface IdentityFiles {
  /** The certificate, then its intermediates, PEM. */
  readonly certificate: string;
  readonly privateKey: string;
  /** The certificates of authorities to trust, PEM. */
  readonly roots: string;
  /** Of authorities that are not used any more, PEM: what they vouched for in their time stays signed. The file may be absent. */
  readonly pastRoots?: string;
}

export interface FileIdentityOptions {
  readonly ports: { readonly clock: Clock; readonly disk: Disk };
  readonly log: Logger;
  readonly identity: AppIdentity;
  readonly files: IdentityFiles;
}

const pollMs = 5_000;
const settleMs = 200;
const fileBytesMax = 1024 * 1024;

/**
 * An identity that somebody else issues, in files that are watched: whoever renews them replaces them, in any order. Fails with `config.invalid` when they
 * cannot be used at first; later a set that does not fit together is logged, and the one before stays.
 */
export async function openFileIdentity(options: FileIdentityOptions): Promise<IdentitySource> {
  const source = new FileIdentity(options, await readFiles(options));
  source.watch();
  return source;
}

class FileIdentity implements IdentitySource {
  readonly identity: AppIdentity;
  readonly #options: FileIdentityOptions;
  readonly #listeners = new IdentityListeners();
  /** A slow read must not put what it found in the place of what a later one found. */
  readonly #rounds = new Rounds(() => this.#reload());
  readonly #watches: { close(): void }[] = [];
  #document: IdentityDocument;
  #timer: Timer | undefined;
  #soon: Timer | undefined;
  #problem = '';

  constructor(options: FileIdentityOptions, document: IdentityDocument) {
    this.#options = options;
    this.identity = options.identity;
    this.#document = document;
  }

  watch(): void {
    const { disk, clock } = this.#options.ports;
    const directories = new Set(Object.values(this.#options.files).map((path: string) => path.slice(0, path.lastIndexOf('/')) || '.'));
    for (const directory of directories) {
      // A renewal touches several files: they are read when they have come to rest.
      const changed = (): void => {
        this.#soon?.cancel();
        this.#soon = clock.timer(settleMs, () => void this.#rounds.round(), true);
      };
      this.#watches.push(disk.watch(directory, changed));
    }
    this.#warnBeforeExpiry(clock.now());
    this.#poll();
  }

  current(): IdentityDocument {
    return this.#document;
  }

  onChange(changed: () => void): () => void {
    return this.#listeners.onChange(changed);
  }

  onFailure(failed: (error: unknown) => void): () => void {
    return this.#listeners.onFailure(failed);
  }

  close(): void {
    void this.#rounds.close();
    this.#timer?.cancel();
    this.#soon?.cancel();
    for (const watch of this.#watches) watch.close();
    this.#listeners.clear();
  }

  // Watches are hints.
  #poll(): void {
    this.#timer = this.#options.ports.clock.timer(
      pollMs,
      () => void this.#rounds.round().then(() => this.#rounds.closed || this.#poll()),
      true,
    );
  }

  async #reload(): Promise<void> {
    const { log, ports, files } = this.#options;
    try {
      const next = await readFiles(this.#options);
      refuseOlder(next, { former: this.#document, nowMs: ports.clock.now(), path: files.certificate });
      if (this.#rounds.closed || same(next, this.#document)) {
        this.#warnBeforeExpiry(ports.clock.now());
        return;
      }
      this.#problem = '';
      this.#document = next;
      log.info('the certificate files were renewed', {
        identity: spiffeId(this.identity),
        expires: new Date(next.notAfterMs).toISOString(),
      });
      this.#listeners.changed();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#problem && !this.#rounds.closed) {
        log.warn('the new certificate files cannot be used; the former stay', { error: problem });
        this.#listeners.failed(error);
      }
      this.#problem = problem;
    }
  }

  #warnBeforeExpiry(nowMs: number): void {
    const leftMs = this.#document.notAfterMs - nowMs;
    const problem = leftMs <= 0 ? 'has expired' : leftMs < 3_600_000 ? 'expires within the hour' : '';
    if (problem !== '' && problem !== this.#problem)
      this.#options.log.warn(`the certificate ${problem} and its file was not renewed`, { identity: spiffeId(this.identity) });
    this.#problem = problem;
  }
}

/** Files that somebody put back: what is over does not replace what is still good. */
function refuseOlder(
  { notAfterMs }: IdentityDocument,
  { former, nowMs, path }: { readonly former: IdentityDocument; readonly nowMs: number; readonly path: string },
): void {
  if (notAfterMs > nowMs || former.notAfterMs <= nowMs) return;
  throw new ProaError('config.invalid', `the certificate in ${path} expired at ${new Date(notAfterMs).toISOString()}`);
}

function same(a: IdentityDocument, b: IdentityDocument): boolean {
  return (['certificate', 'privateKey', 'roots', 'pastRoots'] as const).every((name) => a[name] === b[name]);
}

async function readFiles({ ports, files, identity }: FileIdentityOptions): Promise<IdentityDocument> {
  const read = async (path: string): Promise<string> => {
    const bytes = await ports.disk.readFile(path).catch((error: unknown) => {
      throw new ProaError(
        'config.invalid',
        `the certificate file ${path} cannot be read: ${(error as { code?: string }).code ?? String(error)}`,
        { cause: error },
      );
    });
    if (bytes.length > fileBytesMax) throw new ProaError('config.invalid', `${path} has more than ${fileBytesMax} bytes`);
    return Buffer.from(bytes).toString('utf8');
  };
  const [certificate, privateKey, roots] = [await read(files.certificate), await read(files.privateKey), await read(files.roots)];
  const [leaf] = pemCertificates(certificate);
  if (leaf === undefined) throw new ProaError('config.invalid', `${files.certificate} holds no certificate`);
  if (pemCertificates(roots).length === 0) throw new ProaError('config.invalid', `${files.roots} holds no certificate`);
  const { validToMs, uris } = factsOf(leaf, files.certificate);
  const uri = spiffeId(identity);
  if (uris.length !== 1 || uris[0] !== uri)
    throw new ProaError('config.invalid', `${files.certificate} is for ${uris.join(', ') || 'no URI'}, not for ${uri} alone`);
  if (!fits(certificate, privateKey)) throw new ProaError('config.invalid', `${files.privateKey} is not the key of ${files.certificate}`);
  const past = files.pastRoots;
  const retired = past !== undefined && (await ports.disk.stat(past)) !== undefined ? { pastRoots: await read(past) } : {};
  return { certificate, privateKey, roots, ...retired, notAfterMs: validToMs };
}

function factsOf(leaf: Buffer, path: string): ReturnType<typeof readCertificate> {
  try {
    return readCertificate(leaf);
  } catch (error) {
    if (error instanceof DerError) throw new ProaError('config.invalid', `${path} is not a certificate: ${error.message}`);
    throw error;
  }
}

function fits(certificate: string, privateKey: string): boolean {
  const { X509Certificate, createPrivateKey } = nodeCrypto();
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}
