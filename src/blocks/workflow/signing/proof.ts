import type { HistorySigning } from '../../../contracts/history-signing.ts';
import type { HistoryChunk, HistoryProof, PropagatedHistory } from '../../../contracts/workflow.ts';
import type { Logger } from '../../../kernel/log.ts';
import { sha256 } from '../../../kernel/node-crypto.ts';
import { pause } from '../commit-firm.ts';
import type { Core } from '../core.ts';
import { eventsDigest, signatureMessage } from './digests.ts';
import { verifyChain } from './verify-chain.ts';

/**
 * Histories that are handed on, with a proof of the own one, which is the last: one signature over the messages of its events, bound to instance and workflow. The proofs of
 * others go on as they came. Without the proof when the certificate is not valid at the time of the last event, for that would prove nothing.
 */
export function withProof(signing: HistorySigning, handed: PropagatedHistory): PropagatedHistory {
  const own = handed.chunks.at(-1);
  const proof = own === undefined ? undefined : proofOf(signing, own);
  if (own === undefined || proof === undefined) return handed;
  return { ...handed, chunks: [...handed.chunks.slice(0, -1), { ...own, proof }] };
}

function proofOf({ signer, codec }: HistorySigning, { instanceId, workflowName, events }: HistoryChunk): HistoryProof | undefined {
  const identity = signer.current();
  const messages: Uint8Array[] = [];
  let lastMs = Number.NaN;
  for (const event of events) {
    const bytes = codec.event(event);
    if (bytes === undefined) continue;
    messages.push(bytes);
    lastMs = event.timeMs;
  }
  if (!(lastMs >= identity.validFromMs && lastMs <= identity.validToMs)) return undefined;
  const digest = eventsDigest(messages);
  const signature = codec.signature({
    startEvent: 0,
    eventCount: messages.length,
    eventsDigest: digest,
    certificate: 0,
    signature: identity.sign(signatureMessage(undefined, digest, { instanceId, workflowName })),
  });
  return { events: messages.map(base64), signatures: [base64(signature)], certificates: [base64(identity.certificates)] };
}

/** Proven histories with their events as they were proven, and the certificates that proved them. */
export interface Proven {
  readonly history: PropagatedHistory;
  readonly certificates: readonly Buffer[];
}

/**
 * Verifies histories that were handed on, each by itself (durabletask-go, historysigning.VerifyPropagatedHistory): every one must be proven, by the app that it says it is of, in
 * the own namespace. What is not proven is refused as a whole.
 */
export async function verifyProofs(
  signing: HistorySigning,
  { scope, chunks }: PropagatedHistory,
  { namespace, pause }: { readonly namespace: string; readonly pause: () => Promise<void> },
): Promise<Proven | { readonly problem: string }> {
  const proven: HistoryChunk[] = [];
  const certificates = new Map<string, Buffer>();
  for (const [i, chunk] of chunks.entries()) {
    const { appId, instanceId, workflowName, proof } = chunk;
    const refuse = (why: string): { readonly problem: string } => ({
      problem: `the history of ${JSON.stringify(instanceId.slice(0, 256))} (${JSON.stringify(appId.slice(0, 128))}, ${i + 1} of ${chunks.length}) that was handed on is refused: ${why}`,
    });
    if (proof === undefined || proof.events.length === 0) return refuse('it is not signed');
    const signed = {
      events: proof.events.map(bytesOf),
      signatures: proof.signatures.map(bytesOf),
      certificates: proof.certificates.map(bytesOf),
    };
    const timeOf = (bytes: Uint8Array): number | undefined => signing.codec.eventOf(bytes)?.timeMs;
    const rules = { app: { namespace, appId }, timeOf, context: { instanceId, workflowName }, pause };
    const { problem, used } = await verifyChain(signing, signed, rules);
    if (problem !== undefined) return refuse(problem);
    for (const place of used) {
      const bytes = signed.certificates[place] as Buffer;
      certificates.set(sha256(bytes).toString('base64'), bytes);
    }
    const events = signed.events.flatMap((bytes) => signing.codec.eventOf(bytes)?.event ?? []);
    proven.push({ appId, instanceId, workflowName, events, proof });
  }
  return { history: { scope, chunks: proven }, certificates: [...certificates.values()] };
}

/** Histories that came with an activity of another app, as they were proven; a text says why they are refused. As they came where histories are not signed. */
export async function provenTo({ signing, clock, log, self }: Core, handed: PropagatedHistory): Promise<PropagatedHistory | string> {
  if (signing === undefined) {
    warnOfProofs(log, handed);
    return handed;
  }
  const proven = await verifyProofs(signing, handed, { namespace: self.namespace, pause: () => pause(clock, 0) });
  return 'problem' in proven ? proven.problem : proven.history;
}

/** Says that proofs came to a runtime that does not look at them. */
export function warnOfProofs(log: Logger, { chunks }: PropagatedHistory): void {
  const signed = chunks.find(({ proof }) => proof !== undefined);
  if (signed !== undefined)
    log.warn('a signed history was handed on to this runtime, where signing is off: it is taken without being verified', {
      app: signed.appId,
    });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'base64');
}
