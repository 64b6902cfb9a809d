import { describe, expect, it } from 'vitest';
import type { ActivityTask, HistoryEvent } from '../../contracts/workflow.ts';
import { createRemoteWorker, portions, type FromWorker, type ToWorker } from './remote-worker.ts';

const hello: FromWorker = { kind: 'hello', workflows: ['order'], turnsMax: 2, activitiesMax: 3 };
const instance = { instanceId: 'one', executionId: 'x' };
const event: HistoryEvent = { id: -1, timeMs: 1, type: 'workflowStarted' };

function opened() {
  const sent: ToWorker[] = [];
  const remote = createRemoteWorker(hello, (message) => void sent.push(message));
  const turn = () => remote.worker.turn({ instance, pastCount: 1, past: async () => [event], news: [event] });
  const activity = (heartbeat: ActivityTask['heartbeat'] = async () => {}) =>
    remote.worker.activity({ instance, taskId: 1, name: 'ship', idempotencyKey: 'x/1', heartbeat });
  return { ...remote, sent, turn, activity };
}

describe('a worker at the other end of a stream', () => {
  it('gets turns without their past, and the past when it asks', async () => {
    const { worker, receive, sent, turn } = opened();
    expect([...(worker.workflows ?? [])]).toEqual(['order']);
    const answer = turn();
    expect(sent).toEqual([{ kind: 'turn', token: 1, turn: { instance, pastCount: 1, news: [event] } }]);
    receive({ kind: 'past', token: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent[1]).toEqual({ kind: 'past', token: 1, events: [event], last: true });
    receive({ kind: 'turn', token: 1, answer: { actions: [{ id: 1, type: 'record', name: 'a' }] } });
    expect(await answer).toEqual({ actions: [{ id: 1, type: 'record', name: 'a' }] });
    // Answers to nothing are nothing.
    receive({ kind: 'turn', token: 1, answer: { actions: [] } });
  });

  it('shows signs of life, and hears whether it is wanted', async () => {
    const { receive, sent, activity } = opened();
    const beats: (string | undefined)[] = [];
    const answer = activity((details) => (beats.push(details), beats.length === 1 ? Promise.resolve() : Promise.reject(new Error('gone'))));
    receive({ kind: 'beat', token: 1, details: 'half' });
    receive({ kind: 'beat', token: 1 });
    await new Promise((resolve) => setImmediate(resolve));
    expect(beats).toEqual(['half', undefined]);
    expect(sent.slice(1)).toEqual([
      { kind: 'beat', token: 1, wanted: true },
      { kind: 'beat', token: 1, wanted: false },
    ]);
    receive({ kind: 'activity', token: 1, answer: { failure: { errorType: 'E', errorMessage: 'm' } } });
    expect(await answer).toMatchObject({ failure: { errorType: 'E' } });
  });

  it('takes nothing more when it drains, and leaves what it had to others', async () => {
    const { worker, receive, end, turn, activity } = opened();
    const [one, two] = [turn(), activity()];
    expect([worker.turnsMax, worker.activitiesMax]).toEqual([2, 3]);
    receive({ kind: 'drain' });
    expect([worker.turnsMax, worker.activitiesMax]).toEqual([0, 0]);
    receive({ kind: 'failed', token: 1, message: 'no memory' });
    await expect(one).rejects.toMatchObject({ message: 'no memory' });
    end();
    await expect(two).rejects.toMatchObject({ code: 'unavailable' });
  });

  it.each<[unknown]>([
    [undefined],
    [{ kind: 'turn', token: 1 }],
    [{ ...hello, turnsMax: -1 }],
    [{ ...hello, activitiesMax: '3' }],
    [{ ...hello, workflows: [1] }],
    [{ ...hello, activities: 'all' }],
  ])('is refused with another beginning: %j', (first) => {
    expect(() => createRemoteWorker(first as FromWorker, () => {})).toThrow(expect.objectContaining({ code: 'bad-request' }) as Error);
  });

  it.each<[unknown]>([
    [{ actions: 'none' }],
    [{ actions: [{ id: 'one', type: 'record', name: 'a' }] }],
    [{ actions: [{ id: 1, type: 'erase' }] }],
    [{ actions: [{ id: 1, type: 'scheduleTask' }] }],
    [{ actions: [{ id: 1, type: 'record', name: 5 }] }],
    [{ actions: [{ id: 1, type: 'scheduleTask', name: 'a', options: { attempt: '2' } }] }],
    [{ actions: [{ id: 1, type: 'scheduleTask', name: 'a', options: null }] }],
    [{ actions: [{ id: 1, type: 'createTimer', fireAtMs: 'soon' }] }],
    [{ actions: [], customStatus: 1 }],
    [{ actions: [], attributes: { a: 1 } }],
    [{ actions: [], stalled: { reason: 'diverged' } }],
    [{ actions: [], stalled: { reason: 'diverged', description: '', divergence: { source: 5 } } }],
    [null],
  ])('has no answer like %j', async (answer) => {
    const { receive, turn } = opened();
    const answered = turn();
    receive({ kind: 'turn', token: 1, answer } as FromWorker);
    await expect(answered).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('has no other messages', async () => {
    const { receive, turn, activity } = opened();
    const answered = [turn(), activity()];
    for (const message of [null, 5, {}, { kind: 'turn' }, { kind: 'dance', token: 1 }])
      expect(() => receive(message as FromWorker)).toThrow('a message of a worker is none');
    receive({ kind: 'activity', token: 2, answer: { result: 5 } as never });
    await expect(answered[1]).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('gets long histories in portions', () => {
    const long: HistoryEvent = { id: 1, timeMs: 1, type: 'taskCompleted', scheduledId: 1, result: 'x'.repeat(300_000) };
    expect([...portions([long, long, long])].map(({ part, last }) => [part.length, last])).toEqual([
      [1, false],
      [1, false],
      [1, true],
    ]);
    expect([...portions([])]).toEqual([{ part: [], last: true }]);
  });
});
