import type { AttestationKind, AttestationPayload, HistorySigning } from '../../../contracts/history-signing.ts';
import type { HistoryEvent } from '../../../contracts/workflow.ts';
import type { Signatory } from '../../../contracts/workload-signer.ts';
import { sha256 } from '../../../kernel/node-crypto.ts';
import { outcomeOf, type Result, statusOfResult } from './attest.ts';
import { canonicalVersion, ioDigest } from './canonical.ts';
import { certificateProblem } from './verify-chain.ts';

/** The event that began an operation. */
export type Begun = Extract<HistoryEvent, { readonly type: 'taskScheduled' | 'childCreated' }>;

/** What the parent knows of an operation that ended. */
export interface Awaited {
  readonly parentInstanceId: string;
  readonly begun: Begun;
  /** The app that was to execute it. */
  readonly app: Signatory;
  readonly nowMs: number;
}

/** Clocks of whoever executes and of whoever waits may differ by this much. */
const skewMs = 15 * 60_000;

/** What is wrong with the word of whoever executed an operation, or its certificates when it stands. */
export type Judgement = { readonly problem: string } | { readonly certificates: Buffer };

/**
 * Verifies the attestation of a result at the time when the parent takes it, by the rules of durabletask-go (historysigning.VerifyChildAttestation and its like for activities).
 * Stricter than those: it must come from the app that was to execute the operation. And the time at which the certificate has to be valid is that of the result, which lies
 * between the event that began the operation, whose time is signed, and now: results may wait for long before their parent is there again.
 */
export function verifyAttestation({ signer, codec }: HistorySigning, event: Result, awaited: Awaited): Judgement {
  const { attestation, signerCertificate } = event;
  if (attestation === undefined) return { problem: 'it is not attested' };
  if (signerCertificate === undefined) return { problem: 'the certificate of its attestation is missing' };
  const kind: AttestationKind = awaited.begun.type === 'taskScheduled' ? 'activity' : 'child';
  const payload = Buffer.from(attestation.payload, 'base64');
  const certificates = Buffer.from(signerCertificate, 'base64');
  const said = codec.attestationOf(kind, payload);
  if (said === undefined) return { problem: 'its attestation cannot be read' };
  if (said.canonicalVersion !== canonicalVersion)
    return { problem: `its attestation follows version ${said.canonicalVersion} of the rules` };
  if (!sha256(certificates).equals(said.certificateDigest))
    return { problem: 'its attestation is by another certificate than the one that came along' };
  if (!signer.verify(payload, Buffer.from(attestation.signature, 'base64'), certificates)) {
    return { problem: 'its attestation was not signed by its certificate' };
  }
  const problem =
    timeProblem(event, awaited) ??
    certificateProblem(signer.judge(certificates, event.timeMs), awaited.app) ??
    contentProblem(event, said, awaited);
  return problem === undefined ? { certificates } : { problem };
}

function timeProblem({ timeMs }: Result, { begun, nowMs }: Awaited): string | undefined {
  if (timeMs >= begun.timeMs - skewMs && timeMs <= nowMs + skewMs) return undefined;
  return `it is of ${new Date(timeMs).toISOString()}, which is not between its begin and now`;
}

function contentProblem(event: Result, said: AttestationPayload, { parentInstanceId, begun }: Awaited): string | undefined {
  if (said.parentInstanceId !== parentInstanceId)
    return `its attestation is for the workflow ${JSON.stringify(said.parentInstanceId.slice(0, 256))}`;
  if (said.taskScheduledId !== begun.id) return `its attestation is for operation ${said.taskScheduledId}`;
  if (begun.type === 'taskScheduled' && said.activityName !== begun.name) {
    return `its attestation is for the activity ${JSON.stringify((said.activityName ?? '').slice(0, 256))}`;
  }
  if (said.status !== statusOfResult(event)) return 'its attestation says that it ended otherwise';
  const digest = ioDigest(begun.input, outcomeOf(event));
  return digest?.equals(said.ioDigest) === true ? undefined : 'its attestation is for another input or output';
}
