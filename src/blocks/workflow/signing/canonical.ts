import type { FailureDetails } from '../../../contracts/workflow.ts';
import { sha256 } from '../../../kernel/node-crypto.ts';
import { lengthOf } from './digests.ts';

/** The only version of the rules (durabletask's attestation.proto, "Canonical byte serialization"). */
export const canonicalVersion = 1;

/** A failure with more of them inside is malformed. */
const depthMax = 32;

/** How an operation ended: with a result, or with a failure. */
export type Outcome = { readonly result?: string } | { readonly failure: FailureDetails };

/** SHA-256 over input and output of an operation, each behind its length. Undefined for a failure that is too deep. */
export function ioDigest(input: string | undefined, outcome: Outcome): Buffer | undefined {
  const output = 'failure' in outcome ? canonicalFailure(outcome.failure, 0) : canonicalText(outcome.result);
  if (output === undefined) return undefined;
  const given = canonicalText(input);
  return sha256(Buffer.concat([lengthOf(given), given, lengthOf(output), output]));
}

/** UTF-8 of the composed form (NFC): SDKs of several languages write the same text in several ways. Absent and empty are the same here. */
export function canonicalText(text: string | undefined): Buffer {
  return text === undefined ? Buffer.alloc(0) : Buffer.from(text.normalize('NFC'), 'utf8');
}

/** A failure without the wire format of any protocol; whether it may be tried again is not part of it. Undefined: more than 32 lie in one another. */
export function canonicalFailure({ errorType, errorMessage, stackTrace, innerFailure }: FailureDetails, depth: number): Buffer | undefined {
  if (depth >= depthMax) return undefined;
  const parts = [errorType, errorMessage, stackTrace].map(measured);
  if (innerFailure === undefined) return Buffer.concat([...parts, Buffer.of(0)]);
  const inner = canonicalFailure(innerFailure, depth + 1);
  return inner && Buffer.concat([...parts, Buffer.of(1), inner]);
}

function measured(text: string | undefined): Buffer {
  const bytes = canonicalText(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length, 0);
  return Buffer.concat([length, bytes]);
}
