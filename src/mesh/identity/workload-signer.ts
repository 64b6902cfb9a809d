import type { Signatory, SigningIdentity, WorkloadSigner } from '../../contracts/workload-signer.ts';
import { nodeCrypto, sha256 } from '../../kernel/node-crypto.ts';
import { type Certificate, pathsOf, readChain, readOne, type Validity } from './certificate-path.ts';
import { DerError } from './der-reader.ts';
import type { IdentityDocument, IdentitySource } from './identity-source.ts';
import { signDigestOf, verifyDigestOf } from './signing-keys.ts';
import { parseSpiffeId, type AppIdentity } from './spiffe-id.ts';
import { pemCertificates } from './x509.ts';

/** Chains that were judged; the certificates of an app change twice an hour. */
const judgedMax = 1_000;

/** Signatures that were made or verified here, of each of two generations; one is some 80 bytes. */
const provenMax = 16_384;

/** What was found out about a chain, once for all times. */
interface Judged {
  /** Of its certificates. */
  readonly digest: Buffer;
  readonly leaf?: Certificate;
  readonly app?: AppIdentity;
  readonly paths: readonly Validity[];
  /** It is refused whatever the time. */
  readonly refused?: string;
}

/** Signs by an app's certificate, and judges those of its trust domain, also by roots that have retired: what they vouched for in their time stays signed. */
export function createWorkloadSigner(source: IdentitySource): WorkloadSigner {
  return new SourceSigner(source);
}

class SourceSigner implements WorkloadSigner {
  readonly #source: IdentitySource;
  #document: IdentityDocument | undefined;
  #identity: SigningIdentity | undefined;
  #trusted = '';
  #roots: readonly Certificate[] = [];
  readonly #judged = new Map<string, Judged>();
  #last: { readonly certificates: Uint8Array; readonly judged: Judged } | undefined;
  // What a runtime signs it reads again before long, and a verification is twice as dear as a signature.
  #proven = new Set<string>();
  #provenBefore = new Set<string>();

  constructor(source: IdentitySource) {
    this.#source = source;
  }

  current(): SigningIdentity {
    const document = this.#source.current();
    if (this.#identity === undefined || document.certificate !== this.#document?.certificate) {
      this.#document = document;
      this.#identity = identityOf(document, (name) => this.#prove(name));
    }
    return this.#identity;
  }

  judge(certificates: Uint8Array, atMs: number): Signatory | { readonly refused: string } {
    const { app, paths, leaf, refused } = this.#look(certificates);
    if (refused !== undefined || app === undefined || leaf === undefined) return { refused: refused ?? 'the certificate names no app' };
    if (paths.some(({ fromMs, toMs }) => atMs >= fromMs && atMs <= toMs)) return { namespace: app.namespace, appId: app.appId };
    const at = new Date(atMs).toISOString();
    const { validFromMs, validToMs } = leaf.facts;
    if (paths.length > 0 || atMs < validFromMs || atMs > validToMs) {
      const valid = `valid from ${new Date(validFromMs).toISOString()} to ${new Date(validToMs).toISOString()}`;
      return { refused: `the certificate (${valid}), or one that it rests on, was not valid at ${at}` };
    }
    return { refused: 'the certificate was not issued by an authority that is, or was, trusted here' };
  }

  named(certificates: Uint8Array): Signatory | undefined {
    const { app } = this.#look(certificates);
    return app && { namespace: app.namespace, appId: app.appId };
  }

  verify(message: Uint8Array, signature: Uint8Array, certificates: Uint8Array): boolean {
    const { leaf, digest } = this.#look(certificates);
    if (leaf === undefined) return false;
    const name = nameOf(message, signature, digest);
    if (this.#proven.has(name) || this.#provenBefore.has(name)) return true;
    const good = verifyDigestOf(message, signature, leaf.key);
    if (good) this.#prove(name);
    return good;
  }

  #prove(name: string): void {
    if (this.#proven.size >= provenMax) [this.#provenBefore, this.#proven] = [this.#proven, new Set()];
    this.#proven.add(name);
  }

  #look(certificates: Uint8Array): Judged {
    const { roots, pastRoots = '' } = this.#source.current();
    const trusted = roots + pastRoots;
    if (trusted !== this.#trusted) {
      this.#trusted = trusted;
      this.#roots = pemCertificates(trusted).flatMap((der) => readable(der));
      this.#judged.clear();
      this.#last = undefined;
    }
    // The signatures of a history refer to the same few bytes again and again.
    if (this.#last?.certificates === certificates) return this.#last.judged;
    const digest = sha256(certificates);
    const name = digest.toString('latin1');
    let known = this.#judged.get(name);
    if (known === undefined) {
      if (this.#judged.size >= judgedMax) this.#judged.clear();
      this.#judged.set(name, (known = { ...this.#read(certificates), digest }));
    }
    this.#last = { certificates, judged: known };
    return known;
  }

  #read(certificates: Uint8Array): Omit<Judged, 'digest'> {
    let chain: ReturnType<typeof readChain>;
    try {
      chain = readChain(certificates);
    } catch (error) {
      if (error instanceof DerError) return { paths: [], refused: `the certificate cannot be read: ${error.message}` };
      throw error;
    }
    const [leaf] = chain;
    const { authority, uris } = leaf.facts;
    const refuse = (refused: string): Omit<Judged, 'digest'> => ({ leaf, paths: [], refused });
    if (authority) return refuse('the certificate is that of an authority, not of an app');
    if (uris.length !== 1) return refuse(`the certificate names ${uris.length} URIs instead of one`);
    const app = parseSpiffeId(uris[0] as string);
    if (app === undefined) return refuse(`${JSON.stringify((uris[0] as string).slice(0, 200))} is not the id of an app`);
    const { trustDomain } = this.#source.identity;
    if (app.trustDomain !== trustDomain)
      return refuse(`the certificate is of the trust domain "${app.trustDomain}", not of "${trustDomain}"`);
    return { leaf, app, paths: pathsOf(chain, this.#roots) };
  }
}

function readable(der: Uint8Array): Certificate[] {
  try {
    return [readOne(der)];
  } catch (error) {
    if (error instanceof DerError) return [];
    throw error;
  }
}

/** A message, who signed it (the digest of the certificates) and how, in 32 characters. */
function nameOf(message: Uint8Array, signature: Uint8Array, digest: Buffer): string {
  return sha256(Buffer.concat([digest, Buffer.of(signature.length >> 8, signature.length & 0xff), signature, message])).toString('latin1');
}

function identityOf({ certificate, privateKey }: IdentityDocument, made: (name: string) => void): SigningIdentity {
  const certificates = Buffer.concat(pemCertificates(certificate));
  const [{ facts }] = readChain(certificates);
  const digest = sha256(certificates);
  const key = nodeCrypto().createPrivateKey(privateKey);
  return {
    certificates,
    digest,
    validFromMs: facts.validFromMs,
    validToMs: facts.validToMs,
    sign(message) {
      const signature = signDigestOf(message, key);
      made(nameOf(message, signature, digest));
      return signature;
    },
  };
}
