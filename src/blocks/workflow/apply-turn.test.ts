import { describe, expect, it } from 'vitest';
import type { HistoryEvent, TurnAnswer, WorkflowAction } from '../../contracts/workflow.ts';
import { applyTurn, type TurnOutcome } from './apply-turn.ts';
import { risingClock } from './clock-stamp.ts';
import { filterMail } from './filter-mail.ts';
import { type Header, newHeader, withId } from './header.ts';
import type { Address, InboxItem } from './mail.ts';
import { growTail } from './record.ts';

const header = (more: Partial<Header> = {}): Header => {
  const { pending: _none, ...rest } = newHeader({ name: 'flow', instance: { instanceId: 'a', executionId: 'x' } }, [], 1_000);
  return { ...rest, status: 'RUNNING', startedMs: 1_000, ...more };
};
type More = Partial<Header> & { readonly below?: readonly Address[] };
const apply = (answer: TurnAnswer, news: readonly HistoryEvent[] = [], { below = [], ...more }: More = {}): TurnOutcome => {
  const base = header(more);
  const self = { namespace: '', appId: 'app', instanceId: 'a', executionId: 'x' };
  return applyTurn({
    header: base,
    news,
    answer,
    startedMs: 2_000,
    stamp: risingClock(2_000, base.lastMs),
    self,
    below,
    newExecution: () => 'next',
  });
};
const next = (outcome: TurnOutcome): Extract<TurnOutcome, { kind: 'next' }> => {
  if (outcome.kind !== 'next') throw new Error(outcome.kind);
  return outcome;
};
const task = (id: number): WorkflowAction => ({ id, type: 'scheduleTask', name: 't' });
const complete = (id: number, result: string): WorkflowAction => ({ id, type: 'complete', status: 'COMPLETED', result });
const terminated: HistoryEvent = { type: 'executionTerminated', id: -1, timeMs: 1, input: '"out"', recurse: true };

describe('what an answer makes of an instance', () => {
  it('takes actions in the order of their ids, each event with the id of its action', () => {
    const { events, effects, header: after } = next(apply({ actions: [task(3), task(1), task(2)] }));
    expect(events.map(({ id }) => id)).toEqual([-1, 1, 2, 3]);
    expect(effects.tasks.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(after.ids).toEqual([[1, 3]]);
    expect(Object.keys(after.open)).toEqual(['1', '2', '3']);
  });

  it('is discarded when it creates again what the history has', () => {
    expect(apply({ actions: [task(2)] }, [], { ids: [[0, 2]] })).toEqual({ kind: 'stale' });
    expect(apply({ actions: [{ id: 2, type: 'createTimer', fireAtMs: 5 }] }, [], { ids: [[0, 2]] })).toEqual({ kind: 'stale' });
    expect(apply({ actions: [complete(2, '1')] }, [], { ids: [[0, 2]] }).kind).toBe('next');
  });

  it('lets the first completion win, and what was begun beside it begin no more', () => {
    const { header: after, effects, events } = next(apply({ actions: [task(1), complete(2, '"first"'), complete(3, '"second"')] }));
    expect(after).toMatchObject({ status: 'COMPLETED', open: {} });
    expect(effects.tasks).toEqual([]);
    expect(events.filter(({ type }) => type === 'executionCompleted')).toMatchObject([{ result: '"first"' }]);
  });

  it('terminates where the worker says nothing, and instead of continuing as new', () => {
    const again: WorkflowAction = { id: 1, type: 'complete', status: 'CONTINUED_AS_NEW', result: '2' };
    for (const actions of [[], [again]]) {
      const outcome = next(apply({ actions }, [terminated]));
      expect(outcome.restart).toBeUndefined();
      expect(outcome.events.at(-1)).toMatchObject({ type: 'executionCompleted', status: 'TERMINATED', result: '"out"' });
    }
    expect(next(apply({ actions: [complete(1, '7')] }, [terminated])).header.status).toBe('COMPLETED');
  });

  it('tells open children, and who runs below finished ones, of a termination that reaches them, with its reason', () => {
    const open = { 1: { kind: 'child', instanceId: 'c' }, 2: { kind: 'child', instanceId: 'd', app: 'other' } } as const;
    const below = [{ namespace: '', appId: 'third', instanceId: 'e' }];
    const told = (actions: readonly WorkflowAction[]) => next(apply({ actions }, [terminated], { open, below })).effects.letters;
    const expected = [
      { to: { appId: 'app', instanceId: 'c' }, event: { type: 'executionTerminated', input: '"out"', recurse: true } },
      { to: { appId: 'other', instanceId: 'd' }, event: { type: 'executionTerminated', input: '"out"', recurse: true } },
      { to: { appId: 'third', instanceId: 'e' }, event: { type: 'executionTerminated', input: '"out"', recurse: true } },
    ];
    expect(told([])).toMatchObject(expected);
    // Its own end came first, but who asked for the termination meant all of them.
    expect(told([complete(3, '7')])).toMatchObject(expected);
    expect(next(apply({ actions: [] }, [{ ...terminated, recurse: false }], { open })).effects.letters).toEqual([]);
  });

  it('tells the parent of its execution how it ended', () => {
    const parent = { instanceId: 'p', executionId: 'px', taskScheduledId: 4, name: 'boss', appId: 'app' };
    const ended = next(apply({ actions: [complete(1, '7')] }, [], { parent }));
    expect(ended.effects.letters).toMatchObject([
      { to: { instanceId: 'p' }, execution: 'px', event: { type: 'childCompleted', scheduledId: 4, result: '7' } },
    ]);
    const failed = next(apply({ actions: [] }, [terminated], { parent }));
    expect(failed.effects.letters).toMatchObject([{ event: { type: 'childFailed', failure: { errorType: 'TERMINATED' } } }]);
  });

  it('stalls for patches that are no prefix, and stores only new ones', () => {
    const choice = { name: 'v1', patches: ['a', 'b'] };
    expect(apply({ actions: [], version: { patches: ['a'] } }, [], { choice })).toMatchObject({
      kind: 'stalled',
      reason: 'patch-mismatch',
    });
    expect(apply({ actions: [], version: { patches: ['b', 'a'] } }, [], { choice })).toMatchObject({ kind: 'stalled' });
    const { events, header: after } = next(apply({ actions: [], version: { name: 'v2', patches: ['a', 'b', 'c'] } }, [], { choice }));
    expect(events[0]).toMatchObject({ type: 'workflowStarted', version: { patches: ['c'] } });
    expect(after.choice).toEqual({ name: 'v1', patches: ['a', 'b', 'c'] });
    expect(apply({ actions: [{ id: 0, type: 'versionNotAvailable' }] })).toMatchObject({ reason: 'version-not-available' });
  });

  it('clears a stall, keeps the status of its own unless there is another, and adds attributes', () => {
    const before = { stall: { reason: 'diverged', description: '' }, customStatus: 's', attributes: { a: '1' } } as const;
    const { header: after } = next(apply({ actions: [], attributes: { b: '2' } }, [], before));
    expect(after).toMatchObject({ customStatus: 's', attributes: { a: '1', b: '2' } });
    expect(after).not.toHaveProperty('stall');
    expect(next(apply({ actions: [], customStatus: '' }, [], before)).header.customStatus).toBe('');
  });

  it('names children by their parent and the action, and stamps who asked', () => {
    const router = { sourceAppId: 'liar', targetAppId: 'other' };
    const { events, effects } = next(apply({ actions: [{ id: 18, type: 'createChild', name: 'c', router }] }));
    expect(events[1]).toMatchObject({ instanceId: 'a:0012', router: { sourceAppId: 'app', targetAppId: 'other' } });
    expect(effects.letters[0]).toMatchObject({
      to: { appId: 'other', instanceId: 'a:0012' },
      event: { parent: { executionId: 'x', taskScheduledId: 18 } },
    });
  });
});

describe('mail for a turn', () => {
  const item = (event: Partial<HistoryEvent>, execution?: string): InboxItem => ({
    event: { id: -1, timeMs: 1, ...event } as HistoryEvent,
    ...(execution !== undefined && { execution }),
    sinceMs: 0,
  });
  const open = {
    1: { kind: 'task' },
    2: { kind: 'timer', fireAtMs: 5, event: 'go' },
    3: { kind: 'timer', fireAtMs: 9, event: 'go' },
  } as const;

  it('loses second results, results of nothing, and what was meant for another execution', () => {
    const items = [
      item({ type: 'taskCompleted', scheduledId: 1 }, 'x'),
      item({ type: 'taskFailed', scheduledId: 1 }),
      item({ type: 'taskCompleted', scheduledId: 7 }),
      item({ type: 'childCompleted', scheduledId: 2 }),
      item({ type: 'timerFired', timerId: 2 }, 'older'),
      item({ type: 'executionStarted' }),
    ];
    const { taken, dropped } = filterMail(header({ open }), items, 100);
    expect(taken).toEqual([items[0]]);
    expect(dropped).toEqual(items.slice(1));
  });

  it('loses the timer of the oldest wait when its event came before', () => {
    const raised = item({ type: 'eventRaised', name: 'GO' });
    const first = item({ type: 'timerFired', timerId: 2 });
    const second = item({ type: 'timerFired', timerId: 3 });
    expect(filterMail(header({ open }), [raised, first, second], 100).taken).toEqual([raised, second]);
    expect(filterMail(header({ open }), [first, raised], 100).taken).toEqual([first, raised]);
  });

  it('comes in portions', () => {
    expect(
      filterMail(
        header(),
        Array.from({ length: 9 }, () => item({ type: 'eventRaised', name: 'e' })),
        4,
      ).taken,
    ).toHaveLength(4);
  });
});

describe('small parts of a record', () => {
  it('keep ids as intervals, whatever order they come in', () => {
    expect([0, 1, 2, 5, 4, 2].reduce<Header['ids']>(withId, [])).toEqual([
      [0, 2],
      [5, 5],
      [4, 4],
    ]);
  });

  it('put full pieces of history aside, never the newest lines', () => {
    expect(growTail(['a'], ['b'])).toEqual({ tail: ['a', 'b'], full: [] });
    expect(growTail(['a'.repeat(5_000)], ['b'])).toEqual({ tail: ['b'], full: ['a'.repeat(5_000)] });
    const grown = growTail([], ['a'.repeat(150_000), 'b'.repeat(150_000), 'c']);
    expect([grown.full.length, grown.tail.at(-1)]).toEqual([1, 'c']);
  });

  it('give times that rise although clocks do not', () => {
    const stamp = risingClock(500, 1_000);
    expect([stamp(), stamp()]).toEqual([1_000.001, 1_000.002]);
    expect(risingClock(2_000, 1_000)()).toBe(2_000);
  });
});
