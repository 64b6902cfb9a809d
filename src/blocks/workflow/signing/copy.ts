import type { HistorySigning } from '../../../contracts/history-signing.ts';
import type { Signatory } from '../../../contracts/workload-signer.ts';
import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { Core } from '../core.ts';
import type { EncodedLine } from '../history-lines.ts';
import type { StoredRecord } from '../record.ts';
import { emptyChain, extendChain, type Signed } from './chain.ts';
import { signaturesOf } from './examine.ts';
import { bytesOf } from './sign-turn.ts';
import { certificateProblem } from './verify-chain.ts';

/** Fails with `workflow.history-unproven` where the instance would be another app's: nobody but its own runtimes can sign its history. */
export function mayBegin({ signer }: HistorySigning, self: Signatory, nowMs: number): void {
  const problem = certificateProblem(signer.judge(signer.current().certificates, nowMs), self);
  if (problem !== undefined) {
    throw new ProaError('workflow.history-unproven', `a history of the app "${self.appId}" cannot be signed here: ${problem}`, {
      hint: 'ask a runtime of the app itself',
    });
  }
}

/** Why the history of a finished instance may not be copied into one that is signed, or out of it; undefined: it may. */
export async function unprovenCopy(core: Core, id: string, found: StoredRecord): Promise<string | undefined> {
  const signed = found.header.signed === true;
  if (core.signing === undefined) return signed ? 'its history is signed, and signing is off here' : undefined;
  if (!signed) return 'its history is not signed, and signing is on here';
  const { verified, problem } = (await signaturesOf(core, id, found)) ?? {};
  return verified === true ? undefined : `its history was changed by somebody else: ${problem ?? 'it cannot be verified'}`;
}

/** The chain of a copied history: one signature over all of it, by who copied. */
export function signCopy(signing: HistorySigning, events: readonly HistoryEvent[], encoded: readonly EncodedLine[]): Signed {
  return extendChain(signing, emptyChain, { events: encoded.map(bytesOf), lastMs: events.at(-1)?.timeMs ?? Number.NaN, foreign: [] });
}
