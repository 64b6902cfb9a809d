// Two processes of one application share its workflows and actors; one of them is killed. For how long does each of its workflows and actors stand still?
import { once } from 'node:events';
import { join } from 'node:path';
import { directory, quantile, root, start } from './harness.mjs';

const count = 64;
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function run() {
  // Who came first owns the journal: the other one takes that over as well.
  const [owner, other] = [[], []];
  for (let round = 0; round < rounds; round++) {
    owner.push(await killed(0, `owner-${round}`));
    other.push(await killed(1, `other-${round}`));
  }
  return {
    conditions: `two processes of an app with a runtime each, on one journal, leases as they come (3 s); ${count} workflows that make a step every 50 ms, ${count} actors that are called every 20 ms from the process that stays; one process is killed with SIGKILL, ${rounds} times the one that owns the journal, ${rounds} times the other; counted from the kill to the next step or answer of each of those that were the killed one's, and the slowest of all is what binds`,
    figures: [...figuresOf('of the owner of the journal', owner), ...figuresOf('of the other process', other)],
  };
}

function figuresOf(whose, shots) {
  return ['step', 'answer'].flatMap((kind) => {
    const what = kind === 'step' ? 'workflows' : 'actors';
    const all = shots.flatMap((shot) => shot[kind]);
    return [
      { name: `${what} ${whose} go on, slowest of ${all.length} (s)`, value: Math.max(...all), atMost: 5 },
      { name: `${what} ${whose} go on, median (s)`, value: quantile(all, 0.5) },
    ];
  });
}

/** One pair of processes; answers how long the workflows (`step`) and actors (`answer`) of the victim stood still, in seconds. */
async function killed(victim, name) {
  const seen = { step: new Map(), answer: new Map() };
  const pair = [];
  for (let i = 0; i < 2; i++) {
    const child = start(process.execPath, [join(root, 'bench/failover-subject.mjs'), join(directory, `failover-${name}`), String(count)], {
      ipc: true,
    });
    const ready = once(child, 'message');
    child.on('message', ([kind, n]) => kind !== 'ready' && seen[kind].set(n, i));
    await ready;
    pair.push(child);
  }
  pair[0].send('start');
  pair[1 - victim].send('call');
  await until(() => seen.step.size === count && seen.answer.size === count, 20_000, 'not everything has begun');
  // Shares settle while both are there.
  await pause(5_000);
  const theirs = new Set([...seen.step].flatMap(([n, by]) => (by === victim ? [n] : [])));
  const killedMs = performance.now();
  pair[victim].kill('SIGKILL');
  await once(pair[victim], 'exit');
  const after = { step: new Map(), answer: new Map() };
  pair[1 - victim].on('message', ([kind, n]) => {
    if (!after[kind].has(n)) after[kind].set(n, (performance.now() - killedMs) / 1_000);
  });
  await until(() => after.step.size === count && after.answer.size === count, 60_000, 'not everything goes on');
  const gone = once(pair[1 - victim], 'exit');
  pair[1 - victim].kill('SIGKILL');
  await gone;
  // Actors of the one that stays answer at once: those of the other are those that took longer than any of them could.
  const moved = [...after.answer.values()].filter((seconds) => seconds > 1);
  const steps = [...after.step].flatMap(([n, seconds]) => (theirs.has(n) ? [seconds] : []));
  if (steps.length === 0 || moved.length === 0) throw new Error('the one that was killed had nothing');
  return { step: steps, answer: moved };
}

async function until(done, forMs, otherwise) {
  for (const end = performance.now() + forMs; !done(); await pause(10)) if (performance.now() > end) throw new Error(otherwise);
}
