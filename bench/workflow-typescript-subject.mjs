// A workflow of five activities as an application writes it, with `proa/sdk` of the built package and its runtime in the same process: `<directory> <seconds> <lanes>`.
import { join } from 'node:path';
import { activity, createApp, serve, workflow } from '../dist/sdk.js';
import { measure } from './workflow-load.mjs';

const [directory, seconds, lanes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const steps = 5;

const step = activity({ name: 'step' }, (n) => n + 1);
const chain = workflow({ name: 'chain' }, async (ctx) => {
  let count = 0;
  for (let i = 0; i < steps; i++) count = await ctx.call(step, count);
  return count;
});

const running = await serve(createApp().workflow(chain).activity(step), {
  mode: 'in-process',
  appId: 'chains',
  dataDirectory: join(directory, `typescript-${process.pid}`),
});
const one = async () => {
  const run = await running.client.workflows.start(chain);
  const count = await run.result();
  if (count !== steps) throw new Error(`counted ${count}`);
};
await measure(one, seconds, lanes);
await running.close();
process.exit(0);
