import type { Engine } from '../../contracts/engine.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock, Random, Timer } from '../../kernel/ports.ts';
import { IdentityListeners } from './identity-listeners.ts';
import type { IdentityDocument, IdentitySource } from './identity-source.ts';
import { bundleOf, readPastRoots, readRoots, rootsKey } from './roots.ts';
import { answerKey, askKey, askTtlMs, type SigningAnswer } from './signing-desk.ts';
import { createSigningRequest } from './signing-request.ts';
import { spiffeId, type AppIdentity } from './spiffe-id.ts';
import { createKeyPair, pemCertificates, readCertificate } from './x509.ts';

export interface IssuedIdentityOptions {
  readonly ports: { readonly clock: Clock; readonly random: Random };
  readonly log: Logger;
  readonly engine: Engine;
  readonly identity: AppIdentity;
  /** How long a signing request may take. Default 15 s. */
  readonly timeoutMs?: number;
}

/** The request is shown again after this long: hints get lost, and the owner may be another one meanwhile. */
const repeatMs = 500;
const pollMs = 50;
const retryMs = 10_000;

/**
 * An identity by the authority of the engine. The key is made here and stays in memory; only signing requests leave. Fails with `identity.unavailable`
 * when the first certificate cannot be had; later failures are logged and tried again while the old certificate lives.
 */
export async function openIssuedIdentity(options: IssuedIdentityOptions): Promise<IdentitySource> {
  const source = new IssuedIdentity(options);
  await source.open();
  return source;
}

class IssuedIdentity implements IdentitySource {
  readonly identity: AppIdentity;
  readonly #options: IssuedIdentityOptions;
  readonly #listeners = new IdentityListeners();
  readonly #unwatch: () => void;
  #document: IdentityDocument | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: IssuedIdentityOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#unwatch = options.engine.watch(rootsKey(options.identity.trustDomain), () => this.#quietly(this.#refreshRoots()));
  }

  async open(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  current(): IdentityDocument {
    return this.#document as IdentityDocument;
  }

  onChange(changed: () => void): () => void {
    return this.#listeners.onChange(changed);
  }

  onFailure(failed: (error: unknown) => void): () => void {
    return this.#listeners.onFailure(failed);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#unwatch();
    this.#listeners.clear();
  }

  async #renew(): Promise<void> {
    const { clock } = this.#options.ports;
    const keys = createKeyPair();
    const certificate = await this.#ask(createSigningRequest(keys, spiffeId(this.identity)));
    const roots = await this.#readRoots();
    const { validToMs } = readCertificate(pemCertificates(certificate)[0] as Buffer);
    this.#replace({ certificate, privateKey: keys.privateKey, ...roots, notAfterMs: validToMs });
    // Between half and two thirds of its life: workloads that started together do not come back together.
    const share = 0.5 + (this.#options.ports.random.u32() / 0xffff_ffff) * 0.17;
    this.#later((validToMs - clock.now()) * share);
  }

  #later(delayMs: number): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#timer = this.#options.ports.clock.timer(Math.max(1_000, delayMs), () => this.#renewAgain(), true);
  }

  #renewAgain(): void {
    const { log, ports } = this.#options;
    this.#renew().catch((error: unknown) => {
      if (this.#closed) return;
      this.#listeners.failed(error);
      const leftMs = this.current().notAfterMs - ports.clock.now();
      const reason = error instanceof Error ? error.message : String(error);
      const fields = { identity: spiffeId(this.identity), expires_in_s: Math.round(leftMs / 1000), error: reason };
      if (leftMs > 0) log.warn('the certificate cannot be renewed', fields);
      else log.error('the certificate has expired and cannot be renewed', fields);
      this.#later(retryMs);
    });
  }

  /** Puts the request into the engine and waits for the answer of its owner. */
  async #ask(request: Buffer): Promise<string> {
    const { engine, ports, timeoutMs = 15_000 } = this.#options;
    const id = ports.random.hex(32);
    const [key, answerAt] = [askKey(this.identity, id), answerKey(this.identity, id)];
    const untilMs = ports.clock.mono() + timeoutMs;
    let wake: () => void = () => {};
    const unwatch = engine.watch(answerAt, () => wake());
    try {
      let shownMs = Number.NEGATIVE_INFINITY;
      while (ports.clock.mono() < untilMs && !this.#closed) {
        if (ports.clock.mono() - shownMs >= repeatMs) {
          shownMs = ports.clock.mono();
          await engine.commit({ put: [{ key, value: request, expiresAtMs: engine.now() + askTtlMs }] });
        }
        const answer = await engine.get(answerAt);
        if (answer !== undefined) return await this.#take(answer.value, [key, answerAt]);
        await new Promise<void>((resolve) => {
          const timer = ports.clock.timer(pollMs, resolve);
          wake = () => {
            timer.cancel();
            resolve();
          };
        });
      }
    } finally {
      unwatch();
    }
    throw new ProaError(
      'identity.unavailable',
      `the owner of the engine did not answer the signing request of "${this.identity.appId}" in time`,
    );
  }

  async #take(value: Uint8Array, keys: readonly string[]): Promise<string> {
    const { certificate, refused } = JSON.parse(Buffer.from(value).toString('utf8')) as SigningAnswer;
    await this.#options.engine.commit({ delete: keys });
    if (certificate !== undefined) return certificate;
    throw new ProaError(
      'identity.unavailable',
      `the signing request of "${this.identity.appId}" was refused: ${refused ?? 'no reason given'}`,
    );
  }

  async #refreshRoots(): Promise<void> {
    if (this.#document === undefined || this.#closed) return;
    const next = await this.#readRoots();
    // Not the document from before the read: the certificate may have been renewed meanwhile.
    const { roots, pastRoots } = this.#document;
    if ((next.roots !== roots || next.pastRoots !== pastRoots) && next.roots !== '') this.#replace({ ...this.#document, ...next });
  }

  async #readRoots(): Promise<Required<Pick<IdentityDocument, 'roots' | 'pastRoots'>>> {
    const { engine } = this.#options;
    const { trustDomain } = this.identity;
    return { roots: bundleOf((await readRoots(engine, trustDomain)).roots), pastRoots: bundleOf(await readPastRoots(engine, trustDomain)) };
  }

  #replace(document: IdentityDocument): void {
    if (this.#closed) return;
    this.#document = document;
    this.#listeners.changed();
  }

  #quietly(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (!this.#closed)
        this.#options.log.warn('the roots of the mesh cannot be read', { error: error instanceof Error ? error.message : String(error) });
    });
  }
}
