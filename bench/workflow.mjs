// Workflows of five activities in a row, each step on disk before the next one begins: with workers in the runtime's process, and with the official SDK's worker over gRPC.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle, cpuUs, directory, interleaved, root, startProa } from './harness.mjs';

const seconds = 4;

export async function run() {
  const subject = await bundle('bench/workflow-subject.ts');
  const { child, grpc } = await startProa(['--app-id', 'bench']);
  const inProcess = (concurrency) => () =>
    JSON.parse(execFileSync(process.execPath, [subject, directory, String(seconds), String(concurrency)]).toString());
  const sdk = () => {
    const before = cpuUs(child.pid);
    const args = [join(root, 'bench/workflow-sdk-subject.mjs'), String(grpc), String(seconds), '32'];
    const { rate, count } = JSON.parse(execFileSync(process.execPath, args).toString());
    return { rate, cpu: (cpuUs(child.pid) - before) / count };
  };
  const rows = await interleaved(
    { 'in process, 256 at a time': inProcess(256), 'in process, 1 at a time': inProcess(1), '@dapr/dapr over gRPC, 32 at a time': sdk },
    { rounds: Number(process.env.BENCH_ROUNDS ?? 3) },
  );
  const rate = (name) => rows.find((row) => row.name.startsWith(name)).rate;
  return {
    conditions: `Workflows of 5 activities per second on the embedded journal, fsync before each step's successor; CPU of the runtime (in process: of runtime, workflow and client together); nothing pinned`,
    rows,
    ratios: [
      { name: 'in process / 1,500 a second', value: rate('in process, 256') / 1_500, goal: 1 },
      { name: '@dapr/dapr / 150 a second', value: rate('@dapr') / 150, goal: 1 },
    ],
  };
}
