import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { AttestationKind, AttestationPayload, HistoryCodec, HistorySignature } from '../../../blocks/workflow/index.ts';
import {
  ActivityCompletionAttestationPayloadSchema,
  ChildCompletionAttestationPayloadSchema,
  HistoryEventSchema,
  HistorySignatureSchema,
  TerminalStatus,
} from '../../../gen/durabletask/taskhub_pb.ts';
import { eventOf } from './event-from-wire.ts';
import { eventBytes } from './event-to-wire.ts';
import { msOf } from './times.ts';

/** The messages that are signed, as Dapr's workflow SDKs and runtimes have them. */
export const historyCodec: HistoryCodec = {
  event: eventBytes,
  eventOf(bytes) {
    const wire = readable(HistoryEventSchema, bytes);
    if (wire === undefined) return undefined;
    const [timeMs, event] = [msOf(wire.timestamp), eventOf(wire)];
    return { ...(timeMs !== undefined && { timeMs }), ...(event !== undefined && { event }) };
  },
  signature: ({ startEvent, eventCount, previous, eventsDigest, certificate, signature }) =>
    toBinary(
      HistorySignatureSchema,
      create(HistorySignatureSchema, {
        startEventIndex: BigInt(startEvent),
        eventCount: BigInt(eventCount),
        ...(previous !== undefined && { previousSignatureDigest: previous }),
        eventsDigest,
        certificateIndex: BigInt(certificate),
        signature,
      }),
    ),
  signatureOf: readSignature,
  attestation: (kind, payload) =>
    kind === 'child'
      ? toBinary(ChildCompletionAttestationPayloadSchema, create(ChildCompletionAttestationPayloadSchema, common(payload)))
      : toBinary(
          ActivityCompletionAttestationPayloadSchema,
          create(ActivityCompletionAttestationPayloadSchema, { ...common(payload), activityName: payload.activityName ?? '' }),
        ),
  attestationOf: readAttestation,
};

function readSignature(bytes: Uint8Array): HistorySignature | undefined {
  const wire = readable(HistorySignatureSchema, bytes);
  if (wire === undefined) return undefined;
  const { previousSignatureDigest: previous, eventsDigest, signature } = wire;
  // Numbers that no list can have become such that no list has them: they stay out of range.
  return {
    startEvent: Number(wire.startEventIndex),
    eventCount: Number(wire.eventCount),
    ...(previous !== undefined && { previous }),
    eventsDigest,
    certificate: Number(wire.certificateIndex),
    signature,
  };
}

function common({ parentInstanceId, taskScheduledId, ioDigest, certificateDigest, status, canonicalVersion }: AttestationPayload) {
  return {
    parentInstanceId,
    parentTaskScheduledId: taskScheduledId,
    ioDigest,
    signerCertDigest: certificateDigest,
    terminalStatus: status === undefined ? TerminalStatus.UNSPECIFIED : TerminalStatus[status],
    canonicalSpecVersion: canonicalVersion,
  };
}

function readAttestation(kind: AttestationKind, bytes: Uint8Array): AttestationPayload | undefined {
  const wire =
    kind === 'child'
      ? readable(ChildCompletionAttestationPayloadSchema, bytes)
      : readable(ActivityCompletionAttestationPayloadSchema, bytes);
  if (wire === undefined) return undefined;
  const { terminalStatus } = wire;
  return {
    parentInstanceId: wire.parentInstanceId,
    taskScheduledId: wire.parentTaskScheduledId,
    ...('activityName' in wire && { activityName: wire.activityName }),
    ioDigest: wire.ioDigest,
    certificateDigest: wire.signerCertDigest,
    status: terminalStatus === TerminalStatus.COMPLETED ? 'COMPLETED' : terminalStatus === TerminalStatus.FAILED ? 'FAILED' : undefined,
    canonicalVersion: wire.canonicalSpecVersion,
  };
}

function readable<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> | undefined {
  try {
    return fromBinary(schema, bytes);
  } catch {
    return undefined;
  }
}
