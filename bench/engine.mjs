// The journal against a bare append-and-sync log of the same minute, its reads, and its start with a million keys.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, directory, median, quantile } from './harness.mjs';

/** Pairs of shots: a disk that others use is twice as fast in one second as in the next, so two or three say nothing. */
const pairs = 2 * Number(process.env.BENCH_ROUNDS ?? 5) + 1;

export async function run() {
  const subject = await bundle('bench/engine-subject.ts');
  const ask = (mode, ...more) => {
    const root = join(directory, `engine-${mode}`);
    mkdirSync(root);
    try {
      return JSON.parse(execFileSync(process.execPath, [subject, mode, root, ...more.map(String)]).toString());
    } finally {
      rmSync(root, { recursive: true });
    }
  };
  const [rows, ratios, syncs] = [[], [], []];
  for (const [writers, goal] of [[1], [32, 0.7], [256, 0.7]]) {
    const { shots, syncMs } = ask('commits', writers, pairs);
    const of = (side, name) => ({
      name: `${name}, ${writers} writer${writers === 1 ? '' : 's'}`,
      rate: median(shots.map((shot) => shot[side].rate)),
      cpu: median(shots.map((shot) => shot[side].cpu)),
    });
    const [bar, own] = [of('bar', 'bare log'), of('own', 'journal')];
    rows.push(bar, own);
    const paired = shots.map((shot) => shot.own.rate / shot.bar.rate);
    const spread = [0.25, 0.75].map((share) => quantile(paired, share).toFixed(2)).join(' to ');
    ratios.push(
      { name: `journal / bare log, ${writers}: median of ${pairs} pairs (half of them ${spread})`, value: median(paired), goal },
      { name: `the same, quotient of the medians`, value: own.rate / bar.rate },
    );
    syncs.push(syncMs);
  }
  const { hotUs, coldUs } = ask('reads');
  const { openMs, snapshotMs, longestTurnMs, indexBytesPerKey } = ask('start', 1_000_000);
  return {
    conditions:
      'commits of 1 KB, two cores; pairs of shots beside each other in one warm process, in turns the one and the other first; a sync waits for the disk',
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
