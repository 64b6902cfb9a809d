import type { HistorySigning } from '../../../contracts/history-signing.ts';
import type { HistoryEvent } from '../../../contracts/workflow.ts';
import { pause } from '../commit-firm.ts';
import type { Core } from '../core.ts';
import { type LiveInstance, readPast } from '../live-instance.ts';
import type { InboxItem } from '../mail.ts';
import { isResult, type Result } from './attest.ts';
import { emptyChain } from './chain.ts';
import { verifyProofs } from './proof.ts';
import type { Broken } from './standing.ts';
import { type Begun, verifyAttestation } from './verify-attestation.ts';

/** What a turn is about to take. */
export interface Incoming {
  /** The first events of an execution. */
  readonly first: readonly HistoryEvent[];
  readonly taken: readonly InboxItem[];
}

/** The same, as it becomes history. */
export interface Accepted {
  readonly first: readonly HistoryEvent[];
  readonly events: readonly HistoryEvent[];
}

/**
 * Verifies what a turn takes before any code sees it: results by the word of whoever executed the operation, histories that were handed on by their proofs. The certificates of
 * results are taken off them, and noted for the table. Anything wrong makes the
 * instance a broken one (undefined): who writes into its inbox could as well have written into its history.
 */
export async function accept(core: Core, live: LiveInstance, incoming: Incoming): Promise<Accepted | undefined> {
  const accepted = await judged(core, live, incoming);
  if (!('kind' in accepted)) return accepted;
  live.standing = accepted;
  return undefined;
}

async function judged(core: Core, live: LiveInstance, { first, taken }: Incoming): Promise<Accepted | Broken> {
  const { signing } = core;
  const chain = live.standing?.kind === 'good' ? live.standing.chain : emptyChain;
  const foreign: Buffer[] = [];
  const past = await readPast(core, live);
  const broken = (problem: string): Broken => {
    const start = past.find((event) => event.type === 'executionStarted');
    return { kind: 'broken', problem, ...(start?.type === 'executionStarted' && { start }) };
  };
  const begins: HistoryEvent[] = [];
  for (const event of first) {
    const begun = signing === undefined ? event : await withProven(core, signing, { event, foreign });
    if ('problem' in begun) return { kind: 'broken', problem: begun.problem, ...(event.type === 'executionStarted' && { start: event }) };
    begins.push(begun);
  }
  const events: HistoryEvent[] = [];
  for (const item of taken) {
    if (signing === undefined || !isResult(item.event)) {
      events.push(item.event);
      continue;
    }
    const { signerCertificate, ...rest } = item.event;
    // What comes without a key comes from this process, which has just attested it.
    const judged =
      item.key === undefined && signerCertificate !== undefined
        ? { certificates: Buffer.from(signerCertificate, 'base64') }
        : judge(core, live, { result: item.event, past });
    if ('problem' in judged) return broken(`the result of operation ${item.event.scheduledId} is refused: ${judged.problem}`);
    foreign.push(judged.certificates);
    events.push(rest);
  }
  live.standing = { kind: 'good', chain, ...(foreign.length > 0 && { absorbing: foreign }) };
  return { first: begins, events };
}

async function withProven(
  { clock, self }: Core,
  signing: HistorySigning,
  { event, foreign }: { readonly event: HistoryEvent; readonly foreign: Buffer[] },
): Promise<HistoryEvent | { readonly problem: string }> {
  if (event.type !== 'executionStarted' || event.propagated === undefined) return event;
  const proven = await verifyProofs(signing, event.propagated, { namespace: self.namespace, pause: () => pause(clock, 0) });
  if ('problem' in proven) return proven;
  foreign.push(...proven.certificates);
  return { ...event, propagated: proven.history };
}

function judge(
  core: Core,
  live: LiveInstance,
  { result, past }: { readonly result: Result; readonly past: readonly HistoryEvent[] },
): ReturnType<typeof verifyAttestation> {
  const { signing, self, engine, clock, metrics } = core;
  const begun = past.find(
    (event): event is Begun => event.id === result.scheduledId && (event.type === 'taskScheduled' || event.type === 'childCreated'),
  );
  if (signing === undefined || begun === undefined) return { problem: 'the history does not begin it' };
  const { targetAppId = self.appId, targetAppNamespace = self.namespace } = begun.router ?? {};
  const app = { appId: targetAppId, namespace: targetAppNamespace };
  const startedMs = clock.mono();
  const verdict = verifyAttestation(signing, result, { parentInstanceId: live.id, begun, app, nowMs: engine.now() });
  metrics.judged(begun.type === 'taskScheduled' ? 'activity' : 'child', !('problem' in verdict), clock.mono() - startedMs);
  return verdict;
}
