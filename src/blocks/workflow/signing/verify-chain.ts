import type { HistorySignature, HistorySigning } from '../../../contracts/history-signing.ts';
import type { Signatory } from '../../../contracts/workload-signer.ts';
import { sha256 } from '../../../kernel/node-crypto.ts';
import { eventsDigest, signatureMessage, type SignatureContext } from './digests.ts';

/** Events and what was signed of them. */
export interface SignedEvents {
  /** As they were signed. */
  readonly events: readonly Uint8Array[];
  /** Messages. */
  readonly signatures: readonly Uint8Array[];
  readonly certificates: readonly Uint8Array[];
}

/** What is expected of signed events. */
export interface ChainRules {
  /** Whose they must be. */
  readonly app: Signatory;
  /** Time of an event; undefined: it has none, or cannot be read. */
  readonly timeOf: (event: Uint8Array) => number | undefined;
  readonly context?: SignatureContext;
}

/** What came out. `events` were covered before the first mistake; `used` are the places of the certificates that signed. */
export interface Verdict {
  readonly problem?: string;
  readonly events: number;
  readonly used: ReadonlySet<number>;
}

/** Signatures between two pauses: some 5 ms. */
const slice = 64;

/**
 * Verifies a chain by the rules of durabletask-go (historysigning.VerifyChain): signatures in order, each over the digest of the one before and over the events that follow
 * those before without a gap, by a certificate that was valid at the time of its last event, that leads to a trusted root, and that names the app. Together they cover all events.
 * `pause` lets others have their turn.
 */
export async function verifyChain(
  signing: HistorySigning,
  signed: SignedEvents,
  { pause, ...rules }: ChainRules & { readonly pause: () => Promise<void> },
): Promise<Verdict> {
  const used = new Set<number>();
  let covered = 0;
  const refuse = (problem: string): Verdict => ({ problem, events: covered, used });
  const { events, signatures } = signed;
  if (signatures.length === 0) return events.length === 0 ? { events: 0, used } : refuse(`${events.length} events are not signed`);
  for (const [i, message] of signatures.entries()) {
    if (i > 0 && i % slice === 0) await pause();
    const signature = signing.codec.signatureOf(message);
    if (signature === undefined) return refuse(`signature ${i} cannot be read`);
    const before = signatures[i - 1];
    const problem =
      linkProblem(signature, before === undefined ? undefined : sha256(before), covered) ??
      signatureProblem(signing, { signature, signed, rules });
    if (problem !== undefined) return refuse(`signature ${i}: ${problem}`);
    covered += signature.eventCount;
    used.add(signature.certificate);
  }
  if (covered !== events.length) return refuse(`the signatures cover ${covered} of ${events.length} events`);
  return { events: covered, used };
}

function linkProblem({ previous, startEvent }: HistorySignature, before: Buffer | undefined, covered: number): string | undefined {
  if (before === undefined ? previous !== undefined : previous === undefined || !before.equals(previous)) {
    return before === undefined ? 'the first one follows another' : 'it does not follow the one before';
  }
  return startEvent === covered ? undefined : `it begins at event ${startEvent} instead of ${covered}`;
}

interface Looked {
  readonly signature: HistorySignature;
  readonly signed: SignedEvents;
  readonly rules: ChainRules;
}

function signatureProblem({ signer }: HistorySigning, { signature, signed, rules }: Looked): string | undefined {
  const { startEvent, eventCount, certificate: place } = signature;
  if (eventCount < 1) return 'it covers no event';
  if (eventCount > signed.events.length - startEvent) return `it covers events up to ${startEvent + eventCount} of ${signed.events.length}`;
  const certificate = signed.certificates[place];
  if (certificate === undefined) return `there is no certificate ${place}`;
  const events = signed.events.slice(startEvent, startEvent + eventCount);
  const atMs = rules.timeOf(events.at(-1) as Uint8Array);
  if (atMs === undefined) return 'its last event has no time';
  const digest = eventsDigest(events);
  if (!digest.equals(signature.eventsDigest))
    return `the events from ${startEvent} to ${startEvent + eventCount - 1} are not those that were signed`;
  const message = signatureMessage(signature.previous, digest, rules.context);
  if (!signer.verify(message, signature.signature, certificate)) return 'it was not made by its certificate';
  return certificateProblem(signer.judge(certificate, atMs), rules.app);
}

/** Why a certificate is not one of the app; undefined: it is. */
export function certificateProblem(judged: Signatory | { readonly refused: string }, { namespace, appId }: Signatory): string | undefined {
  if ('refused' in judged) return judged.refused;
  if (judged.namespace === namespace && judged.appId === appId) return undefined;
  return `the certificate is of ${judged.namespace}/${judged.appId}, not of ${namespace}/${appId}`;
}
