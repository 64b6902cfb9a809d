import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../kernel/log.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createMemoryEngine } from '../engine-memory/memory-engine.ts';
import { LaneBook, type HeldLane } from './lanes.ts';
import { decodeLane, encodeLane } from './records.ts';

function createRig() {
  const engine = createMemoryEngine({ clock: nodeClock });
  const lost: HeldLane[] = [];
  const book = (member: string): LaneBook =>
    new LaneBook({ engine, log: silentLogger, member, releasedKey: 'r', laneKey: (index) => `l${index}`, lost: (lane) => lost.push(lane) });
  const record = async () => {
    const entry = await engine.get('l0');
    if (entry === undefined) throw new Error('there is no record');
    return { version: entry.version, value: entry.value, ...decodeLane(entry.value) };
  };
  const claim = async (by: LaneBook): Promise<HeldLane> => {
    const { version, value } = await record();
    const lane = await by.claim(0, version, value);
    if (lane === undefined) throw new Error('somebody was faster');
    return lane;
  };
  const begin = () => engine.commit({ put: [{ key: 'l0', value: encodeLane({ owner: '', position: 0, pending: [] }) }] });
  return { book, record, claim, begin, lost };
}

describe('lanes', () => {
  it('are released by a write that says so, not by one that was under way', async () => {
    const { book, record, claim, begin } = createRig();
    await begin();
    const mine = book('me');
    const lane = await claim(mine);
    lane.progress.offer(3);
    lane.progress.settle(3);
    lane.dirty = true;
    const writing = mine.flush();
    lane.state = 'releasing';
    await writing;
    expect([mine.get(0), (await record()).owner]).toEqual([lane, 'me']);
    await mine.flush();
    expect([mine.get(0), await record()]).toMatchObject([undefined, { owner: '', position: 3, pending: [] }]);
  });

  it('acknowledge nothing any more once another has taken them over', async () => {
    const { book, record, claim, begin, lost } = createRig();
    await begin();
    const [mine, other] = [book('me'), book('other')];
    const lane = await claim(mine);
    lane.progress.offer(1);
    lane.progress.offer(2);
    lane.dirty = true;
    await mine.flush();
    const theirs = await claim(other);
    lane.progress.settle(1);
    lane.dirty = true;
    await mine.flush();
    expect([mine.get(0), lost]).toEqual([undefined, [lane]]);
    expect(await record()).toMatchObject({ owner: 'other', position: 2, pending: [1, 2] });
    expect([theirs.progress.offer(1), theirs.progress.offer(2)]).toEqual([true, true]);
  });

  it('are claimed by one of several', async () => {
    const { book, record, begin } = createRig();
    await begin();
    const { version, value } = await record();
    const claims = await Promise.all(['a', 'b', 'c'].map((member) => book(member).claim(0, version, value)));
    expect(claims.filter((lane) => lane !== undefined)).toHaveLength(1);
  });
});
