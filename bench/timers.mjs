// Durable timers on the journal: what a million that sleep cost, and how late 5,000 a second are.
import { execFileSync } from 'node:child_process';
import { bundle, directory } from './harness.mjs';

const [sleeping, rate, seconds] = [1_000_000, 5_000, 10];

export async function run() {
  const subject = await bundle('bench/timers-subject.ts');
  const args = ['--expose-gc', subject, directory, sleeping, rate, seconds].map(String);
  const figures = JSON.parse(execFileSync(process.execPath, args).toString());
  return {
    conditions: `${sleeping} sleeping timers of some hours to a year, then ${rate} due per second for ${seconds} s, one commit per batch`,
    rows: [{ name: 'timers created, 64 writers, 16 a commit', rate: figures.createdPerSecond }],
    figures: [
      { name: 'heap of the sleeping ones (MB)', value: figures.heapMb, atMost: 100 },
      { name: 'resident memory of the sleeping ones (MB)', value: figures.rssMb, atMost: 100 },
      { name: 'lateness p50 (ms)', value: figures.p50 },
      { name: 'lateness p99 (ms)', value: figures.p99, atMost: 50 },
      { name: 'early or lost', value: figures.early + rate * seconds - figures.fired },
      { name: 'CPU per fired timer (µs)', value: figures.cpuUs },
    ],
  };
}
