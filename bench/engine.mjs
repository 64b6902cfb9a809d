// The journal against a bare append-and-sync log of the same minute, its reads, and its start with a million keys.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, directory, median } from './harness.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 5);

export async function run() {
  const subject = await bundle('bench/engine-subject.ts');
  const ask = (mode, argument = '') => {
    const root = join(directory, `engine-${mode}`);
    mkdirSync(root);
    try {
      return JSON.parse(execFileSync(process.execPath, [subject, mode, root, String(argument)]).toString());
    } finally {
      rmSync(root, { recursive: true });
    }
  };
  const [rows, ratios, syncs] = [[], [], []];
  for (const [writers, goal] of [[1], [32, 0.7], [256, 0.7]]) {
    const shots = Array.from({ length: rounds }, () => ask('commits', writers));
    const of = (side, name) => ({
      name: `${name}, ${writers} writer${writers === 1 ? '' : 's'}`,
      rate: median(shots.map((shot) => shot[side].rate)),
      cpu: median(shots.map((shot) => shot[side].cpu)),
    });
    rows.push(of('bar', 'bare log'), of('own', 'journal'));
    ratios.push({ name: `journal / bare log, ${writers}`, value: median(shots.map((shot) => shot.own.rate / shot.bar.rate)), goal });
    syncs.push(...shots.map((shot) => shot.syncMs));
  }
  const { hotUs, coldUs } = ask('reads');
  const { openMs, snapshotMs, longestTurnMs, indexBytesPerKey } = ask('start', 1_000_000);
  return {
    conditions: 'commits of 1 KB, two cores; both sides of a shot are warm; a sync waits for the disk',
    rows,
    ratios,
    figures: [
      { name: 'fdatasync of a page, p50 (ms)', value: median(syncs) },
      { name: 'read, cached (µs)', value: hotUs },
      { name: 'read, working set of 10 times the cache (µs)', value: coldUs },
      { name: 'start with a million keys (ms)', value: openMs, atMost: 2000 },
      { name: 'snapshot of a million keys (ms)', value: snapshotMs },
      { name: 'longest turn meanwhile (ms)', value: longestTurnMs },
      { name: 'index memory per key (bytes)', value: indexBytesPerKey },
    ],
  };
}
