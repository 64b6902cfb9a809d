// Workflows of five activities in a row, each step on disk before the next one begins: with workers in the runtime's process, and with the official SDK's worker over gRPC.
// Beside them Restate's server with its TypeScript SDK, when it is there: `BENCH_RESTATE=1 npm run bench -- workflow` fetches it.
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bundle, cpuUs, directory, interleaved, root, start, startProa } from './harness.mjs';
import { startRestate } from './restate-server.mjs';

const seconds = 4;
const names = {
  many: 'in process, 256 at a time',
  typescript: 'in process, written with proa/sdk, 256 at a time',
  one: 'in process, 1 at a time',
  sdk: '@dapr/dapr over gRPC, 32 at a time',
};

/** One shot of a load in a process of its own: its rate, and the CPU of `server`, of the load itself (`own`), or of both. */
async function shot(args, { server, own }) {
  const child = start(process.execPath, args.map(String));
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const before = server && cpuUs(server.pid);
  const { value } = await lines.next();
  if (value === undefined) throw new Error(`${args[0]}: ${child.printed}`);
  const { rate, count, cpuUs: used } = JSON.parse(value);
  const cpu = (server ? cpuUs(server.pid) - before : 0) + (own ? used : 0);
  await ended;
  return { rate, cpu: cpu / count };
}

export async function run() {
  const subject = await bundle('bench/workflow-subject.ts');
  const { child, grpc } = await startProa(['--app-id', 'bench']);
  const restate = await startRestate();
  const inProcess = (lanes) => () => shot([subject, directory, seconds, lanes], { own: true });
  const sdk = () => shot([join(root, 'bench/workflow-sdk-subject.mjs'), grpc, seconds, 32], { server: child });
  const withRestate = (lanes) => [
    `Restate ${restate.version}, ${lanes} at a time`,
    () =>
      shot([join(root, 'bench/restate-subject.mjs'), restate.sdk, restate.admin, restate.ingress, seconds, lanes], {
        server: restate.child,
        own: true,
      }),
  ];
  const rows = await interleaved(
    {
      [names.many]: inProcess(256),
      [names.typescript]: () => shot([join(root, 'bench/workflow-typescript-subject.mjs'), directory, seconds, 256], { own: true }),
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
    conditions: `Workflows of 5 activities per second on the embedded journal, in processes that did the same for 10 s before, fsync before each step's successor; CPU of the runtime (in process and Restate: of server, service and client together); nothing pinned. ${restate ? 'Restate with its defaults, service and client in one process' : 'Restate: not measured, BENCH_RESTATE=1 fetches it'}`,
    rows,
    ratios: [
      { name: 'in process / 1,500 a second', value: rate(names.many) / 1_500, goal: 1 },
      { name: 'the same, written with proa/sdk', value: rate(names.typescript) / 1_500, goal: 1 },
      ...(restate
        ? [
            { name: 'in process / Restate, 256 at a time', value: rate(names.many) / rate(withRestate(256)[0]), goal: 2 },
            {
              name: 'written with proa/sdk / Restate with its SDK, 256 at a time',
              value: rate(names.typescript) / rate(withRestate(256)[0]),
              goal: 2,
            },
            { name: 'in process / Restate, 1 at a time', value: rate(names.one) / rate(withRestate(1)[0]) },
          ]
        : []),
      { name: '@dapr/dapr / 150 a second', value: rate(names.sdk) / 150, goal: 1 },
    ],
  };
}
