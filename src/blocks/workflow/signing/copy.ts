import type { HistorySigning } from '../../../contracts/history-signing.ts';
import type { Signatory } from '../../../contracts/workload-signer.ts';
import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { ProaError } from '../../../kernel/errors.ts';
import type { EncodedLine } from '../history-lines.ts';
import { emptyChain, extendChain, type Signed } from './chain.ts';
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

/** The chain of a copied history: one signature over all of it, by who copied. */
export function signCopy(signing: HistorySigning, events: readonly HistoryEvent[], encoded: readonly EncodedLine[]): Signed {
  return extendChain(signing, emptyChain, { events: encoded.map(bytesOf), lastMs: events.at(-1)?.timeMs ?? Number.NaN, foreign: [] });
}
