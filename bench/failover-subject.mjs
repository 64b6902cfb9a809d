// One of two processes that share workflows and actors: `<data directory> <workflows>`. Tells its parent of every step that it executed (`step` with the
// workflow's number), and of every answer of an actor (`answer` with its number), once it was told to start or to call them.
import { activity, createApp, defineActor, serve, workflow } from '../dist/sdk.js';

const [dataDirectory, count] = [process.argv[2], Number(process.argv[3])];
const tell = (kind, n) => process.send([kind, n]);

const step = activity({ name: 'step' }, (n) => tell('step', n));
const walk = workflow({ name: 'walk' }, async (ctx, n) => {
  for (let i = 0; i < 10_000; i++) {
    await ctx.call(step, n);
    await ctx.sleep('50ms');
  }
});
const counter = defineActor('Counter', {
  async add(actor) {
    const next = ((await actor.state.get('count')) ?? 0) + 1;
    actor.state.set('count', next);
    return next;
  },
});

const { client } = await serve(createApp().workflow(walk).activity(step).host(counter), {
  mode: 'in-process',
  appId: 'walkers',
  dataDirectory,
});
process.on('message', (order) => {
  for (const n of numbers()) void (order === 'start' ? client.workflows.start(walk, n, { id: `walk-${n}` }) : callAgain(n));
});
process.on('disconnect', () => process.exit(0));
tell('ready', 0);

function numbers() {
  return Array.from({ length: count }, (_, n) => n);
}

// A call that fails is made again, as a caller would.
async function callAgain(n) {
  for (;;) {
    const answered = await client
      .actor(counter, String(n))
      .add()
      .then(
        () => true,
        () => false,
      );
    if (answered) tell('answer', n);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
