import { type HistoryEvent, type PropagatedHistory, type TurnAnswer, workflowLimits } from '../../contracts/workflow.ts';
import { historyTo, type HistorySource, isScope } from '../../contracts/propagated-history.ts';
import type { TaskScheduled } from './apply-turn.ts';
import type { Core } from './core.ts';
import type { Header } from './header.ts';
import { type LiveInstance, readPast } from './live-instance.ts';
import type { Letter } from './mail.ts';
import { withProof } from './signing/proof.ts';

/** What goes along with the operations of a turn, by their ids; a text says why it cannot. */
export type Propagations = ReadonlyMap<number, PropagatedHistory> | string;

/** Nothing goes along, as is the rule. */
export const noHistories: ReadonlyMap<number, PropagatedHistory> = new Map();

/** Whether an answer wants histories to go along with something. */
export function handsOn(actions: TurnAnswer['actions']): boolean {
  return actions.some((action) => 'propagation' in action && isScope(action.propagation));
}

/** The histories that an answer wants handed on to children and activities (serverless reference 5.15). `events` are those of the turn itself. */
export async function propagations(
  core: Core,
  live: LiveInstance,
  { actions, events }: { readonly actions: TurnAnswer['actions']; readonly events: readonly HistoryEvent[] },
): Promise<Propagations> {
  const wanted = actions.flatMap((action) =>
    (action.type === 'scheduleTask' || action.type === 'createChild') && isScope(action.propagation)
      ? [{ id: action.id, scope: action.propagation }]
      : [],
  );
  const { header } = live;
  if (wanted.length === 0 || header === undefined) return noHistories;
  const all = [...(await readPast(core, live)), ...events];
  const result = new Map<number, PropagatedHistory>();
  for (const { id, scope } of wanted) {
    const made = proven(core, historyTo(sourceOf(core, { id: live.id, header }, all), { id, scope }));
    const bytes = Buffer.byteLength(JSON.stringify(made));
    if (bytes > workflowLimits.propagatedBytesMax)
      return `the history that it hands on takes ${bytes} bytes, more than ${workflowLimits.propagatedBytesMax}`;
    result.set(id, made);
  }
  return result;
}

/** What is handed on, with a proof where histories are signed. */
export function proven({ signing }: Core, handed: PropagatedHistory): PropagatedHistory {
  return signing === undefined ? handed : withProof(signing, handed);
}

/** A workflow of this app as a source of history. */
export function sourceOf(
  { self }: Core,
  { id, header }: { readonly id: string; readonly header: Pick<Header, 'name'> },
  events: readonly HistoryEvent[],
): HistorySource {
  return { appId: self.appId, instanceId: id, workflowName: header.name, events };
}

/** What an activity of this app is given when it is executed. */
export async function historyForTask(
  core: Core,
  live: LiveInstance,
  { id, propagation }: TaskScheduled,
): Promise<PropagatedHistory | undefined> {
  const { header } = live;
  if (!isScope(propagation) || header === undefined) return undefined;
  return proven(core, historyTo(sourceOf(core, { id: live.id, header }, await readPast(core, live)), { id, scope: propagation }));
}

/** Starts of children with what goes along with them. */
export function withHistories(
  letters: readonly Letter[],
  { id, histories }: { readonly id: string; readonly histories: ReadonlyMap<number, PropagatedHistory> },
): readonly Letter[] {
  if (histories.size === 0) return letters;
  return letters.map((letter) => {
    const { event } = letter;
    if (event.type !== 'executionStarted' || event.parent?.instanceId !== id) return letter;
    const propagated = histories.get(event.parent.taskScheduledId);
    return propagated === undefined ? letter : { ...letter, event: { ...event, propagated } };
  });
}
