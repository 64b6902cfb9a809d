import type { HistoryEvent } from './workflow.ts';
import type { WorkloadSigner } from './workload-signer.ts';

/** One signature of a chain: over events that follow one another, and over the signature before (`HistorySignature` of durabletask's backend_service.proto). */
export interface HistorySignature {
  readonly startEvent: number;
  readonly eventCount: number;
  /** SHA-256 of the message of the signature before, as it is stored; absent: this is the first. */
  readonly previous?: Uint8Array;
  /** SHA-256 over the bytes of the events, each behind its length (64 bits, big-endian). */
  readonly eventsDigest: Uint8Array;
  /** Place in the table of certificates. */
  readonly certificate: number;
  readonly signature: Uint8Array;
}

/** Who attests: whoever executed a child, or an activity. */
export type AttestationKind = 'child' | 'activity';

/** What an attestation says (durabletask's attestation.proto). */
export interface AttestationPayload {
  readonly parentInstanceId: string;
  /** Of the event that began the operation. */
  readonly taskScheduledId: number;
  /** Of activities only. */
  readonly activityName?: string;
  readonly ioDigest: Uint8Array;
  /** SHA-256 of the certificates of whoever attests. */
  readonly certificateDigest: Uint8Array;
  /** Undefined: a status that is not known here. */
  readonly status: 'COMPLETED' | 'FAILED' | undefined;
  /** Of the rules by which input and output are digested; 1 is the only one. */
  readonly canonicalVersion: number;
}

/** The messages of durabletask that are signed. Whoever reads gets undefined for bytes that are no such message. */
export interface HistoryCodec {
  /** Undefined for events that the protocol does not have. */
  event(event: HistoryEvent): Uint8Array | undefined;
  eventOf(bytes: Uint8Array): ReadEvent | undefined;
  signature(signature: HistorySignature): Uint8Array;
  signatureOf(bytes: Uint8Array): HistorySignature | undefined;
  attestation(kind: AttestationKind, payload: AttestationPayload): Uint8Array;
  attestationOf(kind: AttestationKind, bytes: Uint8Array): AttestationPayload | undefined;
}

/** An event as it was read. */
export interface ReadEvent {
  /** Absent: the message has no time. */
  readonly timeMs?: number;
  /** Absent: a type that is not known here. */
  readonly event?: HistoryEvent;
}

/** What signing histories takes. */
export interface HistorySigning {
  readonly signer: WorkloadSigner;
  readonly codec: HistoryCodec;
}

/** Type of the failure of a workflow whose history was changed by somebody else: Dapr's name for it. */
export const historyTampered = 'DAPR_WORKFLOW_HISTORY_TAMPERED';
