import type { SimulatedMachineOptions } from '../../src/testing/simulator/machine.ts';
import { Cluster, groups } from './cluster.ts';

export interface Run {
  readonly seed: number;
  readonly trace: string;
  /** Everything that the invariants forbid; empty for a good run. */
  readonly problems: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  /** What the nemesis did, for whoever looks into a seed. */
  readonly deeds: readonly string[];
}

export interface RunOptions extends SimulatedMachineOptions {
  /** Virtual time under faults; default 8 s. */
  readonly stormMs?: number;
  /** The most virtual time for everything to be delivered afterwards; default 30 s. */
  readonly calmMs?: number;
  /** Deeds of the nemesis; default all. */
  readonly deeds?: readonly Deed[];
}

export type Deed = 'kill' | 'freeze' | 'partition' | 'power' | 'reset';

const everyDeed: readonly Deed[] = ['kill', 'freeze', 'partition', 'power', 'reset'];
const names = ['a', 'b', 'c'] as const;

/** One run of the cluster: a storm, then calm, then judgement. Everything follows from the seed. */
export async function simulate(options: RunOptions): Promise<Run> {
  const cluster = new Cluster(options);
  const { time, network } = cluster.machine;
  const deeds: string[] = [];
  for (const name of names) cluster.start(name);
  const stormEndsMs = options.stormMs ?? 8_000;
  while (time.nowMs < stormEndsMs) {
    await time.run(100 + cluster.below(500));
    deeds.push(`${time.nowMs.toFixed(0)} ms: ${await strike(cluster, options.deeds ?? everyDeed)}`);
  }
  network.heal();
  for (const [name, { process }] of cluster.members) {
    process.thaw();
    if (process.state === 'dead') cluster.start(name);
  }
  await time.run(5_000);
  cluster.quiet();
  const calmEndsMs = time.nowMs + (options.calmMs ?? 30_000);
  while (time.nowMs < calmEndsMs && !cluster.history.allDelivered(groups)) await time.run(500);
  await time.run(4_000);
  const log = await alongside(cluster, async () => {
    await cluster.readStates();
    return cluster.readAll();
  });
  const problems = [
    ...cluster.history.judge(groups, log ?? []),
    ...cluster.failures,
    ...(log === undefined ? ['nobody serves at the end'] : []),
  ];
  const trace = time.trace;
  for (const { process } of cluster.members.values()) process.kill();
  return {
    seed: options.seed,
    trace,
    problems,
    deeds,
    counts: { ...cluster.history.counts, kept: cluster.keptReads, events: time.events },
  };
}

/** Time goes on until `work` is done, at most 20 s of it. */
async function alongside<T>(cluster: Cluster, work: () => Promise<T>): Promise<T | undefined> {
  let result: { value: T | undefined } | undefined;
  work().then(
    (value) => (result = { value }),
    () => (result = { value: undefined }),
  );
  for (let i = 0; i < 200 && result === undefined; i++) await cluster.machine.time.run(100);
  return result?.value;
}

async function strike(cluster: Cluster, deeds: readonly Deed[]): Promise<string> {
  const { network, time } = cluster.machine;
  const name = names[cluster.below(names.length)] as string;
  const { process } = cluster.members.get(name) as { process: { name: string; state: string; kill(): void; freeze(): void; thaw(): void } };
  const deed = deeds[cluster.below(deeds.length)] as Deed;
  if (deed === 'power') {
    cluster.machine.cutPower();
    await time.run(50);
    cluster.machine.restorePower();
    for (const each of names) cluster.start(each);
    return 'power cut';
  }
  if (deed === 'kill') {
    process.kill();
    await time.run(cluster.below(1_500));
    cluster.start(name);
    return `${process.name} killed`;
  }
  if (deed === 'freeze') {
    process.freeze();
    await time.run(200 + cluster.below(2_500));
    process.thaw();
    return `${process.name} frozen for a while`;
  }
  if (deed === 'reset') {
    network.reset(process.name);
    return `connections of ${process.name} reset`;
  }
  const other = [...cluster.members.values()].map((member) => member.process.name).filter((each) => each !== process.name);
  for (const each of other) network.partition(process.name, each);
  await time.run(200 + cluster.below(2_500));
  network.heal();
  return `${process.name} cut off for a while`;
}
