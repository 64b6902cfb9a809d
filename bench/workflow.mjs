// Workflows of five activities in a row, each step on disk before the next one begins: with workers in the runtime's process, and with the official SDK's worker over gRPC.
// Beside them Restate's server with its TypeScript SDK, when it is there: `BENCH_RESTATE=1 npm run bench -- workflow` fetches it.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { bundle, cpuUs, directory, interleaved, root, startProa } from './harness.mjs';
import { startRestate } from './restate-server.mjs';

const seconds = 4;
const names = { many: 'in process, 256 at a time', one: 'in process, 1 at a time', sdk: '@dapr/dapr over gRPC, 32 at a time' };

export async function run() {
  const subject = await bundle('bench/workflow-subject.ts');
  const { child, grpc } = await startProa(['--app-id', 'bench']);
  const restate = await startRestate();
  const inProcess = (concurrency) => () =>
    JSON.parse(execFileSync(process.execPath, [subject, directory, String(seconds), String(concurrency)]).toString());
  const sdk = () => {
    const before = cpuUs(child.pid);
    const args = [join(root, 'bench/workflow-sdk-subject.mjs'), String(grpc), String(seconds), '32'];
    const { rate, count } = JSON.parse(execFileSync(process.execPath, args).toString());
    return { rate, cpu: (cpuUs(child.pid) - before) / count };
  };
  const withRestate = (concurrency) => [`Restate ${restate.version}, ${concurrency} at a time`, () => restateShot(restate, concurrency)];
  const rows = await interleaved(
    {
      [names.many]: inProcess(256),
      ...(restate && Object.fromEntries([withRestate(256)])),
      [names.one]: inProcess(1),
      ...(restate && Object.fromEntries([withRestate(1)])),
      [names.sdk]: sdk,
    },
    { rounds: Number(process.env.BENCH_ROUNDS ?? 3) },
  );
  await restate?.stop();
  const rate = (name) => rows.find((row) => row.name === name).rate;
  return {
    conditions: `Workflows of 5 activities per second on the embedded journal, fsync before each step's successor; CPU of the runtime (in process and Restate: of server, service and client together); nothing pinned. ${restate ? 'Restate with its defaults, service and client in one process' : 'Restate: not measured, BENCH_RESTATE=1 fetches it'}`,
    rows,
    ratios: [
      { name: 'in process / 1,500 a second', value: rate(names.many) / 1_500, goal: 1 },
      ...(restate
        ? [
            { name: 'in process / Restate, 256 at a time', value: rate(names.many) / rate(withRestate(256)[0]), goal: 2 },
            { name: 'in process / Restate, 1 at a time', value: rate(names.one) / rate(withRestate(1)[0]) },
          ]
        : []),
      { name: '@dapr/dapr / 150 a second', value: rate(names.sdk) / 150, goal: 1 },
    ],
  };
}

function restateShot({ child, admin, ingress, sdk }, concurrency) {
  const before = cpuUs(child.pid);
  const args = [join(root, 'bench/restate-subject.mjs'), sdk, ...[admin, ingress, seconds, concurrency].map(String)];
  const { rate, count, cpu } = JSON.parse(execFileSync(process.execPath, args).toString());
  return { rate, cpu: (cpuUs(child.pid) - before + cpu) / count };
}
