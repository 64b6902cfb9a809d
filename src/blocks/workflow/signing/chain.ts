import type { HistorySigning } from '../../../contracts/history-signing.ts';
import type { SigningIdentity } from '../../../contracts/workload-signer.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { sha256 } from '../../../kernel/node-crypto.ts';
import { eventsDigest, signatureMessage } from './digests.ts';
import { markLine } from './marks.ts';

/** How far a history is signed. It is known of a history that was verified as a whole, or made here from its begin. */
export interface Chain {
  /** Events that are covered. */
  readonly events: number;
  /** The message of the newest signature; absent: there is none yet. */
  readonly last?: Uint8Array;
  readonly signatures: number;
  /** The table of own certificates: digests, base64, in order. */
  readonly certificates: readonly string[];
  /** Digests of others' certificates, base64. */
  readonly foreign: readonly string[];
}

/** Before the first event. */
export const emptyChain: Chain = { events: 0, signatures: 0, certificates: [], foreign: [] };

/** Fails with `identity.unavailable` for a time at which a certificate is not valid. */
export function mustBeValid({ validFromMs, validToMs }: SigningIdentity, atMs: number, what: string): void {
  if (atMs >= validFromMs && atMs <= validToMs) return;
  const valid = `${new Date(validFromMs).toISOString()} to ${new Date(validToMs).toISOString()}`;
  throw new ProaError('identity.unavailable', `${what}: the certificate is valid from ${valid}`, {
    hint: `the clock of the engine says ${new Date(atMs).toISOString()}`,
  });
}

/** Events that are to be signed. */
export interface Unsigned {
  /** As they are stored, UTF-8. Never empty. */
  readonly events: readonly Uint8Array[];
  /** Time of the last of them. */
  readonly lastMs: number;
  /** Certificates of whoever attested results among them. */
  readonly foreign: readonly Buffer[];
}

/** A chain that has grown, and the lines that are stored behind the events for it. */
export interface Signed {
  readonly chain: Chain;
  readonly lines: readonly string[];
}

/**
 * Signs events that follow a chain. Fails with `identity.unavailable` when the certificate is not valid at the time of the last of them: nobody would believe that signature,
 * and the history could not go on.
 */
export function extendChain({ signer, codec }: HistorySigning, chain: Chain, { events, lastMs, foreign }: Unsigned): Signed {
  const identity = signer.current();
  mustBeValid(identity, lastMs, 'the history cannot be signed');
  const lines: string[] = [];
  const name = identity.digest.toString('base64');
  let certificate = chain.certificates.indexOf(name);
  const certificates = certificate < 0 ? [...chain.certificates, name] : chain.certificates;
  if (certificate < 0) {
    certificate = chain.certificates.length;
    lines.push(markLine({ kind: 'certificate', bytes: identity.certificates }));
  }
  const absorbed = [...chain.foreign];
  for (const bytes of foreign) {
    const digest = sha256(bytes).toString('base64');
    // What the app itself executed is attested by certificates that are in its own table.
    if (absorbed.includes(digest) || certificates.includes(digest)) continue;
    absorbed.push(digest);
    lines.push(markLine({ kind: 'foreign', bytes }));
  }
  const previous = chain.last === undefined ? undefined : sha256(chain.last);
  const digest = eventsDigest(events);
  const last = codec.signature({
    startEvent: chain.events,
    eventCount: events.length,
    ...(previous !== undefined && { previous }),
    eventsDigest: digest,
    certificate,
    signature: identity.sign(signatureMessage(previous, digest)),
  });
  lines.push(markLine({ kind: 'signature', bytes: Buffer.from(last) }));
  return {
    chain: { events: chain.events + events.length, last, signatures: chain.signatures + 1, certificates, foreign: absorbed },
    lines,
  };
}
