import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { HistoryEvent, HistoryProof, PropagatedHistory } from '../../../blocks/workflow/index.ts';
import { PropagatedHistorySchema } from '../../../gen/durabletask/taskhub_pb.ts';
import { eventBytes } from './event-to-wire.ts';

// It goes along with every turn of its workflow, and never changes.
const encoded = new WeakMap<PropagatedHistory, Uint8Array>();

/** The bytes of the histories that a workflow was given with its start; undefined: none. */
export function propagatedBytes(events: readonly HistoryEvent[]): Uint8Array | undefined {
  const started = events.find((event) => event.type === 'executionStarted');
  const propagated = started?.type === 'executionStarted' ? started.propagated : undefined;
  if (propagated === undefined) return undefined;
  const known = encoded.get(propagated);
  if (known !== undefined) return known;
  const bytes = toBinary(PropagatedHistorySchema, create(PropagatedHistorySchema, wireHistory(propagated)));
  encoded.set(propagated, bytes);
  return bytes;
}

/** The message of histories that are handed on. What was signed goes on as the bytes that were signed. */
export function wireHistory({ scope, chunks }: PropagatedHistory): MessageInitShape<typeof PropagatedHistorySchema> {
  return {
    scope: scope as 0 | 1 | 2,
    chunks: chunks.map(({ appId, instanceId, workflowName, events, proof }) => ({
      appId,
      instanceId,
      workflowName,
      ...(proof === undefined ? { rawEvents: events.map(eventBytes).filter((bytes) => bytes !== undefined) } : provable(proof)),
    })),
  };
}

function provable({ events, signatures, certificates }: HistoryProof) {
  return { rawEvents: events.map(bytesOf), rawSignatures: signatures.map(bytesOf), signingCertChains: certificates.map(bytesOf) };
}

function bytesOf(base64: string): Uint8Array {
  return Buffer.from(base64, 'base64');
}
