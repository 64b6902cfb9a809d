import { describe, expect, it } from 'vitest';
import type { Commit, CommitResult, Engine, NewLogEntry } from '../../contracts/engine.ts';
import { createFakeClock } from '../../testing/fake-clock.ts';
import { createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { TurnAppends } from './turn-appends.ts';

const to = { topic: 't', log: 'log' };
const entry = (text: string): NewLogEntry => ({ data: Buffer.from(text) });
const done: CommitResult = { status: 'done', versions: [], sequences: [1] };

/** An engine whose commits are answered by hand; `soon` is taken by hand, too. */
function rig() {
  const commits: { texts: string[]; log: string; answer(result: CommitResult): void; fail(error: unknown): void }[] = [];
  const engine = {
    commit({ append = [] }: Commit) {
      return new Promise<CommitResult>((answer, fail) => {
        const [first] = append;
        commits.push({
          ...{ log: first?.log ?? '', answer, fail },
          texts: first?.entries.map(({ data }) => Buffer.from(data).toString()) ?? [],
        });
      });
    },
  } as unknown as Engine;
  const due: (() => void)[] = [];
  const clock = { ...createFakeClock(), soon: (callback: () => void) => void due.push(callback) };
  const turn = (): void => {
    for (const callback of due.splice(0)) callback();
  };
  return { appends: new TurnAppends(engine, clock), commits, turn };
}

describe('entries of one turn', () => {
  it('share a commit while another is under way, in the order of their calls, and are answered together', async () => {
    const { appends, commits, turn } = rig();
    const answered: string[] = [];
    for (const text of ['a', 'b', 'c']) void appends.append(to, entry(text)).then(() => answered.push(text));
    expect(commits.map(({ texts }) => texts)).toEqual([['a']]);
    turn();
    expect(commits.map(({ texts }) => texts)).toEqual([['a'], ['b', 'c']]);
    commits[1]?.answer(done);
    await Promise.resolve();
    expect(answered).toEqual([]);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(answered).toEqual(['b', 'c']);
    commits[0]?.answer(done);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(answered).toEqual(['b', 'c', 'a']);
    await appendAlone();

    async function appendAlone(): Promise<void> {
      // Nothing is under way any more: it waits for no turn.
      void appends.append(to, entry('d'));
      expect(commits[2]?.texts).toEqual(['d']);
    }
  });

  it('fail together, and each caller learns of it', async () => {
    const { appends, commits, turn } = rig();
    void appends.append(to, entry('first'));
    const rest = [appends.append(to, entry('a')), appends.append(to, entry('b'))];
    turn();
    commits[1]?.answer({ status: 'unknown', cause: new Error('gone') });
    for (const each of rest) await expect(each).rejects.toMatchObject({ code: 'engine.outcome-unknown' });
    const refused = [appends.append(to, entry('c')), appends.append(to, entry('d'))];
    turn();
    commits[2]?.fail(new Error('full'));
    for (const each of refused) await expect(each).rejects.toThrow('full');
    commits[0]?.answer(done);
  });

  it('share no more than 16 KB and 64 entries; a larger one goes alone, behind those before it', () => {
    const { appends, commits, turn } = rig();
    const large = 'x'.repeat(20_000);
    const middle = 'y'.repeat(7_000);
    void appends.append(to, entry('first'));
    for (const text of ['a', large, middle, middle, middle]) void appends.append(to, entry(text));
    turn();
    expect(commits.map(({ texts }) => texts.map(({ length }) => length))).toEqual([[5], [1], [20_000], [7_000, 7_000], [7_000]]);
    void appends.append(to, entry('before'));
    void appends.append(to, { ...entry('much beside'), key: 'k'.repeat(9_000), attributes: { name: 'v'.repeat(9_000) } });
    void appends.append(to, entry('behind'));
    turn();
    expect(commits.splice(5).map(({ texts }) => texts)).toEqual([['before'], ['much beside'], ['behind']]);
    for (let i = 0; i < 150; i++) void appends.append(to, entry('s'));
    turn();
    expect(commits.slice(5).map(({ texts }) => texts.length)).toEqual([64, 64, 22]);
  });

  it('keep logs apart, and leave at once when somebody else is about to commit to theirs', () => {
    const { appends, commits, turn } = rig();
    const other = { topic: 'o', log: 'other' };
    void appends.append(to, entry('first'));
    void appends.append(to, entry('a'));
    void appends.append(other, entry('o'));
    appends.flush(to.log);
    appends.flush('a log without entries');
    expect(commits.map(({ log, texts }) => [log, ...texts])).toEqual([
      ['log', 'first'],
      ['log', 'a'],
    ]);
    turn();
    expect(commits[2]?.texts).toEqual(['o']);
    void appends.append(to, entry('b'));
    void appends.append(other, entry('p'));
    appends.flushAll();
    expect(commits.slice(3).map(({ log, texts }) => [log, ...texts])).toEqual([
      ['log', 'b'],
      ['other', 'p'],
    ]);
  });

  it('get sequences without a gap from an engine', async () => {
    const engine = createMemoryEngine({ clock: nodeClock });
    const appends = new TurnAppends(engine, nodeClock);
    const texts = Array.from({ length: 300 }, (_, i) => `event ${i}`);
    await Promise.all(texts.map((text) => appends.append(to, entry(text))));
    const { entries, head } = await engine.readLog('log', 0, 1_000);
    expect(head).toBe(300);
    expect(entries.map(({ sequence, data }) => [sequence, Buffer.from(data).toString()])).toEqual(texts.map((text, i) => [i + 1, text]));
    await engine.close();
  });
});
