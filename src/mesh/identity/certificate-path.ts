import type { KeyObject, X509Certificate } from 'node:crypto';
import { nodeCrypto } from '../../kernel/node-crypto.ts';
import { DerError, DerReader } from './der-reader.ts';
import { oids, readCertificate, type CertificateFacts } from './x509.ts';

/** A certificate, read. */
export interface Certificate {
  readonly x509: X509Certificate;
  readonly facts: CertificateFacts;
  readonly key: KeyObject;
}

/** When a path to a root was valid: the times at which all its certificates were. Wall milliseconds, both ends included. */
export interface Validity {
  readonly fromMs: number;
  readonly toMs: number;
}

/** As deep as anybody builds them; a chain is looked at in every order that its certificates allow. */
const certificatesMax = 8;
const understood: ReadonlySet<string> = new Set([oids.basicConstraints, oids.keyUsage, oids.extendedKeyUsage, oids.subjectAltName]);

/** Reads one certificate. Throws `DerError` for bytes that are none. */
export function readOne(der: Uint8Array): Certificate {
  const facts = readCertificate(der);
  try {
    const x509 = new (nodeCrypto().X509Certificate)(der);
    return { x509, facts, key: x509.publicKey };
  } catch (cause) {
    throw new DerError(cause instanceof Error ? cause.message : String(cause));
  }
}

/** The certificates of a chain: DER, one after another, the leaf first. Throws `DerError`; never empty. */
export function readChain(der: Uint8Array): readonly [Certificate, ...Certificate[]] {
  const reader = new DerReader(der);
  const read: Certificate[] = [];
  do {
    if (read.length >= certificatesMax) throw new DerError(`a chain has at most ${certificatesMax} certificates`);
    read.push(readOne(reader.next(0x30).whole));
  } while (!reader.done);
  return read as [Certificate, ...Certificate[]];
}

/**
 * All paths from a leaf over the given intermediates to the given roots (RFC 5280, 6.1, without revocation and policies), by when they were valid. A certificate with a critical
 * extension that is not understood here (constraints of names) leads nowhere.
 */
export function pathsOf([leaf, ...intermediates]: readonly [Certificate, ...Certificate[]], roots: readonly Certificate[]): Validity[] {
  if (!leaf.facts.critical.every((id) => understood.has(id))) return [];
  return upwards({ at: leaf, below: 0, validity: validityOf(leaf), left: intermediates }, roots);
}

interface Step {
  readonly at: Certificate;
  /** Authorities between here and the leaf. */
  readonly below: number;
  readonly validity: Validity;
  readonly left: readonly Certificate[];
}

function upwards({ at, below, validity, left }: Step, roots: readonly Certificate[]): Validity[] {
  const found: Validity[] = [];
  for (const root of roots) if (issued(root, at, below)) found.push(narrowed(validity, root));
  for (const issuer of left) {
    if (!issued(issuer, at, below)) continue;
    const rest = left.filter((other) => other !== issuer);
    found.push(...upwards({ at: issuer, below: below + 1, validity: narrowed(validity, issuer), left: rest }, roots));
  }
  return found.filter(({ fromMs, toMs }) => fromMs <= toMs);
}

function issued({ x509, facts, key }: Certificate, subject: Certificate, below: number): boolean {
  if (!facts.authority || (facts.pathLength !== undefined && facts.pathLength < below)) return false;
  return facts.critical.every((id) => understood.has(id)) && subject.x509.checkIssued(x509) && subject.x509.verify(key);
}

function validityOf({ facts }: Certificate): Validity {
  return { fromMs: facts.validFromMs, toMs: facts.validToMs };
}

function narrowed({ fromMs, toMs }: Validity, { facts }: Certificate): Validity {
  return { fromMs: Math.max(fromMs, facts.validFromMs), toMs: Math.min(toMs, facts.validToMs) };
}
