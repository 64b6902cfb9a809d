import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProaError } from '../../kernel/errors.ts';
import { settingsFromFlags } from '../app-spec.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { OrderDesk, type FollowedOrder } from '../demo/orders.ts';
import { Readiness } from '../demo/readiness.ts';
import { harmless } from '../output.ts';
import { valueOrDefault } from '../parse-args.ts';
import { RunConsole } from '../run/console.ts';
import { withFreePorts } from '../run/free-ports.ts';
import { planRun, type RunPlan } from '../run/plan.ts';
import { RunSession } from '../run/session.ts';

/** Where the demo's run files may lie: beside the bundles of the package, or in a checkout. */
const places = ['demo', '../demo', '../../demo', '../../../dist/demo'] as const;

const ordersOnce = 5;
const ordersAtStart = 3;
/** Signals that a person sends to end the demo; that is not a failure. */
const endedByHand: readonly number[] = [129, 130, 143];

/**
 * `proa demo`: runs the example shop of this package, places orders through the runtime's API and shows what becomes of them. With --once it ends
 * when all are completed: exit code 0, or 1 and what is missing.
 */
export async function run(context: CommandContext): Promise<number> {
  const file = await findDemo(context);
  return withFreePorts(() => runShop(context, file));
}

async function runShop(context: CommandContext, file: string): Promise<number> {
  const { ports, args, output } = context;
  const data =
    args.values['data-dir'] ?? join(ports.process.cwd(), args.values.orchestrated === true ? '.proa/demo-orchestrated' : '.proa/demo');
  const plan = await planDemo({ ...context, args: { ...args, values: { ...args.values, 'run-file': file }, rest: [] } });
  const names = plan.apps.map(({ name }) => name);
  const readiness = new Readiness(names);
  const once = args.values.once === true;
  const lines = new RunConsole(output, ports.clock, names);
  const settings = settingsFromFlags(args.values, { mode: 'demo', dataDirectory: data, logFormat: 'human' });
  const session = new RunSession({
    ports,
    startHost: await context.loadHost(),
    plan,
    settings,
    console: {
      emit(event) {
        readiness.hear(event);
        if (!once) lines.emit(event);
      },
    },
  });
  const tour = new Tour(context, { readiness, session, data });
  const [code] = await Promise.all([session.run(), once ? tour.once() : tour.show()]);
  return endedByHand.includes(code) && !once ? exitCodes.ok : code;
}

async function findDemo({ ports, args }: CommandContext): Promise<string> {
  const here = dirname(fileURLToPath(import.meta.url));
  for (const place of places) {
    const file = join(here, place, args.values.orchestrated === true ? 'orchestrated.yaml' : 'proa.yaml');
    const stat = await ports.disk.stat(file).catch(() => undefined);
    if (stat?.kind === 'file') return file;
  }
  throw new ProaError('unavailable', 'the demo is not part of this build', { hint: 'build the package with `npm run build`' });
}

/** The demo belongs to the folder where it was started, not to the package, which may be read-only. */
async function planDemo(context: CommandContext): Promise<RunPlan> {
  return { ...(await planRun(context)), project: context.ports.process.cwd() };
}

interface TourParts {
  readonly readiness: Readiness;
  readonly session: RunSession;
  /** The data directory. */
  readonly data: string;
}

/** What the demo does while its apps run. */
class Tour {
  readonly #context: CommandContext;
  readonly #parts: TourParts;
  readonly #untilMs: number;
  readonly #beganMs: number;

  constructor(context: CommandContext, parts: TourParts) {
    this.#context = context;
    this.#parts = parts;
    this.#beganMs = context.ports.clock.mono();
    this.#untilMs = this.#beganMs + (valueOrDefault(context.args.values, 'timeout') as number);
  }

  /** Five orders, a summary, and the end of the session. */
  async once(): Promise<void> {
    const { output, ports } = this.#context;
    const { readiness, session, data } = this.#parts;
    try {
      const orders = await this.#placeAndFollow(ordersOnce);
      const completed = orders.filter(isCompleted).length;
      const tookMs = Math.round(ports.clock.mono() - this.#beganMs);
      if (output.json) output.value({ demo: this.#name, placed: orders.length, completed, tookMs, data, orders });
      else output.line(`${completed} of ${orders.length} orders completed in ${(tookMs / 1000).toFixed(1)} s; their state is in ${data}`);
      if (completed < orders.length) throw new Error(`${orders.length - completed} of ${orders.length} orders were not completed in time`);
      await session.stop(exitCodes.ok);
    } catch (thrown) {
      if (session.stopping) return;
      const hint = readiness.lastLines.length === 0 ? undefined : `last lines:\n${readiness.lastLines.map(harmless).join('\n')}`;
      output.error(thrown instanceof Error ? thrown.message : String(thrown), hint);
      await session.stop(exitCodes.failed);
    }
  }

  get #name(): string {
    return this.#context.args.values.orchestrated === true ? 'food-delivery-orchestrated' : 'food-delivery';
  }

  /** A few orders and what to type next; the session goes on. */
  async show(): Promise<void> {
    const { output } = this.#context;
    const { session } = this.#parts;
    try {
      await this.#placeAndFollow(ordersAtStart);
      if (!session.stopping) this.#sayWhatNext();
    } catch (thrown) {
      if (session.stopping) return;
      output.error(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  async #placeAndFollow(count: number): Promise<readonly FollowedOrder[]> {
    await this.#allReady();
    const port = this.#parts.readiness.httpPort('place-order');
    if (port === undefined) throw new Error('place-order has no runtime');
    const desk = new OrderDesk(this.#context.ports, port);
    const orders: Promise<FollowedOrder>[] = [];
    for (let i = 0; i < count; i++) {
      const order = await desk.place();
      orders.push(
        desk.follow(
          order,
          (seen) => this.#tell(seen),
          () => this.#parts.session.stopping || this.#context.ports.clock.mono() > this.#untilMs,
        ),
      );
    }
    return Promise.all(orders);
  }

  async #allReady(): Promise<void> {
    const { readiness, session } = this.#parts;
    const { clock } = this.#context.ports;
    let ready = false;
    void readiness.all.then(() => {
      ready = true;
    });
    while (!ready) {
      if (session.stopping) throw new Error('the demo was ended before its apps were ready');
      if (clock.mono() > this.#untilMs) throw new Error(`not ready in time: ${readiness.missing.join(', ')}`);
      await new Promise<void>((resolve) => void clock.timer(50, resolve));
    }
  }

  #tell(order: FollowedOrder): void {
    const { output } = this.#context;
    const last = order.seen.at(-1);
    if (last === undefined || this.#context.args.values.quiet === true) return;
    if (output.json) {
      if (this.#context.args.values.once !== true) output.value({ type: 'order', id: order.id, ...last });
      return;
    }
    output.line(
      `${output.style('bold', order.id)}  ${last.status.padEnd(9)}  ${order.dish} for ${order.customer}, after ${last.afterMs} ms`,
    );
  }

  #sayWhatNext(): void {
    const { output } = this.#context;
    if (output.json || output.quiet) return;
    const wish = `'{"id":"my-order","dish":"soup","customer":"me"}'`;
    const port = this.#parts.readiness.httpPort('place-order') ?? 0;
    const lines = [
      '',
      'The shop is open. In another terminal:',
      `  proa invoke --app-id place-order --method orders --data ${wish}`,
      `  curl http://localhost:${port}/v1.0/state/orders/my-order`,
      ...(this.#context.args.values.orchestrated === true
        ? [
            'One that fails in the oven, and is undone:',
            `  proa invoke --app-id place-order --method orders --data ${wish.replace('soup', 'soufflé')}`,
          ]
        : []),
      '  proa list',
      '  proa logs notify-user',
      `Data: ${this.#parts.data} (it stays; delete the folder to start over). Logs: ./.proa/logs. Ctrl-C ends the demo.`,
      '',
    ];
    for (const line of lines) output.line(line);
  }
}

function isCompleted(order: FollowedOrder): boolean {
  return order.seen.at(-1)?.status === 'completed';
}
