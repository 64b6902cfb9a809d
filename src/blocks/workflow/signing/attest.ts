import type { AttestationKind, HistorySigning } from '../../../contracts/history-signing.ts';
import type { Attested, HistoryEvent } from '../../../contracts/workflow.ts';
import { ProaError } from '../../../kernel/errors.ts';
import { mustBeValid } from './chain.ts';
import { canonicalVersion, ioDigest, type Outcome } from './canonical.ts';

/** The operation whose end is attested, as whoever executed it knows it. */
export interface Executed {
  readonly parentInstanceId: string;
  readonly taskScheduledId: number;
  /** Absent: a child. */
  readonly activityName?: string;
  readonly input: string | undefined;
}

/** The event of a result. */
export type Result = Extract<HistoryEvent, { readonly type: 'taskCompleted' | 'taskFailed' | 'childCompleted' | 'childFailed' }>;

/** True for the events that attestations are about. */
export function isResult(event: HistoryEvent): event is Result {
  return event.type === 'taskCompleted' || event.type === 'taskFailed' || event.type === 'childCompleted' || event.type === 'childFailed';
}

/** How an event of a result says that it ended: by its type, whatever else stands in it. */
export function outcomeOf(event: Result): Outcome {
  if (event.type === 'taskFailed' || event.type === 'childFailed') return { failure: event.failure };
  return event.result === undefined ? {} : { result: event.result };
}

/** The same in one word. */
export function statusOfResult({ type }: Result): 'COMPLETED' | 'FAILED' {
  return type === 'taskFailed' || type === 'childFailed' ? 'FAILED' : 'COMPLETED';
}

/** The event of a result with the word of whoever executed it. Fails with `identity.unavailable` when the certificate is not valid at its time: nobody would believe it. */
export function attest<Event extends Result>(
  { signer, codec }: HistorySigning,
  event: Event,
  executed: Executed,
): Event & Required<Attested> {
  const { activityName, input, ...of } = executed;
  const digest = ioDigest(input, outcomeOf(event));
  if (digest === undefined) throw new ProaError('internal', 'a failure that holds too many others cannot be attested');
  const identity = signer.current();
  mustBeValid(identity, event.timeMs, 'a result cannot be attested');
  const kind: AttestationKind = activityName === undefined ? 'child' : 'activity';
  const payload = codec.attestation(kind, {
    ...of,
    ...(activityName !== undefined && { activityName }),
    ioDigest: digest,
    certificateDigest: identity.digest,
    status: statusOfResult(event),
    canonicalVersion,
  });
  const bytes = Buffer.from(payload);
  const attestation = { payload: bytes.toString('base64'), signature: identity.sign(bytes).toString('base64') };
  return { ...event, attestation, signerCertificate: identity.certificates.toString('base64') };
}
