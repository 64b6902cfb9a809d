import { ProaError } from '../../kernel/errors.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Address, Clock, Listener, ProcessPort, WorkerProcess } from '../../kernel/ports.ts';
import type { AppSpec, HostSettings } from '../host-api.ts';
import { createLink, type Link } from './link.ts';
import { additiveGauges, mergeExpositions } from './merge-metrics.ts';
import { createNewsDesk, type NewsDesk, type NewsParcel } from './news-desk.ts';
import { BankBook, PlaceBook, type Borrower, type PlaceParcel } from './place-book.ts';
import type { Answered, Questions } from './questions.ts';
import type { ProcessRole } from './role.ts';
import { createSumsBook } from './sums-book.ts';
import type { SharedCounts } from '../../contracts/places.ts';

/** An app as its workers serve it: the spec with the bound ports, and the sockets to share. */
export interface ServedApp {
  readonly spec: AppSpec;
  readonly listeners: readonly Listener[];
  /** Where the app listens now; undefined: nowhere. */
  readonly appPort: number | undefined;
  /** The name under which its runtime is announced. */
  readonly instance: string;
}

export interface WorkerPoolOptions {
  readonly clock: Clock;
  readonly process: ProcessPort;
  readonly log: Logger;
  /** Processes besides this one. */
  readonly count: number;
  readonly shared: HostSettings;
  readonly apps: readonly AppSpec[];
  /** What a worker that starts now has to serve. */
  readonly served: () => { readonly apps: readonly ServedApp[]; readonly socket: Listener; readonly own: Address };
  readonly putMetadata: (app: number, key: string, value: string) => void;
  /** Answers a question of a worker for this process. */
  readonly answer: <Q extends keyof Questions>(app: number, question: Q, input: Questions[Q]['input']) => Promise<Answered>;
  readonly shutdown: (force: boolean) => void;
  /** A log line of a worker; without an app: what it printed. */
  readonly line: (appId: string | undefined, line: string) => void;
}

/** What a worker is told before it starts. */
export interface WorkerStart {
  readonly apps: readonly AppSpec[];
  readonly shared: HostSettings;
  /** The socket of this machine, and the name of each app's runtime behind it. */
  readonly socket: Address;
  readonly instances: readonly string[];
  /** The socket that only the first process accepts on. */
  readonly own: Address;
  readonly processes: number;
}

/** The questions that travel between the first process and a worker, and what they hold. */
export interface Parcels {
  readonly places: PlaceParcel;
  readonly news: NewsParcel;
  readonly metadata: { readonly app: number; readonly key: string; readonly value: string };
  /** A question for one process, or from a worker for all others. */
  readonly question: { readonly app: number; readonly question: keyof Questions; readonly input: unknown };
  readonly exposition: { readonly app: number; readonly format: 'prometheus' | 'openmetrics' };
  readonly connect: { readonly app: number; readonly port: number | undefined };
  readonly shutdown: { readonly force: boolean };
  readonly line: { readonly appId: string; readonly line: string };
}

interface Worker {
  readonly child: WorkerProcess;
  readonly link: Link;
  readonly borrower: Borrower;
  state: 'starting' | 'serving' | 'stopping';
}

interface Asking {
  readonly timeoutMs?: number;
  /** Who is not asked. */
  readonly except?: Worker;
}

const startMs = 30_000;
const firstTries = 3;
const backOffMs = { least: 100, most: 5_000 } as const;
const expositionMs = 5_000;

/**
 * The workers of a host: processes of the same program that accept on its sockets and run the same apps beside it. A worker that dies is started
 * again; what it held of shared limits is free at once.
 */
export class WorkerPool implements ProcessRole {
  readonly first = true;
  readonly announced = undefined;
  readonly #options: WorkerPoolOptions;
  readonly #banks = new BankBook();
  readonly #own: PlaceBook;
  readonly #desk: NewsDesk;
  readonly #sums: SharedCounts['sums'];
  #workers: Worker[] = [];
  #stopped = true;
  /** Rises with each stop: the next start is of all workers, and what was to be replaced before is one of them. */
  #life = 0;
  #delayMs: number = backOffMs.least;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    const own: PlaceBook = new PlaceBook((name) => ({
      want: (count) => this.#banks.want(own, { ...name, count }),
      back: (count) => this.#banks.back(own, { ...name, count }),
    }));
    this.#own = own;
    this.#desk = createNewsDesk((parcel) => this.#spread(parcel));
    this.#sums = createSumsBook({ clock: options.clock, news: this.#desk.news, self: 'first' });
  }

  get shared(): NonNullable<ProcessRole['shared']> {
    return {
      processes: 1 + this.#options.count,
      places: (name, max) => this.#own.of({ name, max }),
      sums: this.#sums,
      news: this.#desk.news,
    };
  }

  /** Resolves when every worker serves. Fails when one cannot be started after some tries. */
  async start(): Promise<void> {
    this.#stopped = false;
    const start = async (): Promise<void> => {
      for (let tries = 1; !this.#stopped; tries++) {
        try {
          return await this.#startOne();
        } catch (error) {
          if (tries === firstTries) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: this.#options.count }, start));
  }

  /** Resolves when no worker lives any more: they drain, and are killed after the grace time. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#life++;
    await Promise.all(this.#workers.map((worker) => this.#stopOne(worker)));
  }

  async connected(app: number, port: number | undefined): Promise<void> {
    await this.#askAll('connect', { app, port } satisfies Parcels['connect']);
  }

  metadataPut(app: number, key: string, value: string): void {
    void this.#askAll('metadata', { app, key, value } satisfies Parcels['metadata']);
  }

  async ask<Q extends keyof Questions>(app: number, question: Q, input: Questions[Q]['input']): Promise<readonly Answered<Q>[]> {
    return (await this.#askAll('question', { app, question, input } satisfies Parcels['question'])) as Answered<Q>[];
  }

  async exposition(app: number, format: 'prometheus' | 'openmetrics', own: string): Promise<string> {
    const others = await this.#askAll('exposition', { app, format } satisfies Parcels['exposition'], { timeoutMs: expositionMs });
    const texts = [own, ...others.filter((text): text is string => typeof text === 'string')];
    return mergeExpositions(texts, additiveGauges, this.#options.clock);
  }

  async alone(step: () => Promise<void>): Promise<void> {
    await this.stop();
    try {
      await step();
    } finally {
      await this.start();
    }
  }

  shutdown(): boolean {
    return false;
  }

  #spread(parcel: NewsParcel, from?: Worker): void {
    for (const worker of this.#workers) if (worker !== from) worker.link.tell('news', parcel satisfies Parcels['news']);
  }

  /** What answers; who does not is left out and said in the log. */
  async #askAll(name: keyof Parcels, input: unknown, { timeoutMs, except }: Asking = {}): Promise<unknown[]> {
    const asked = this.#workers.filter((worker) => worker !== except && worker.state === 'serving');
    const answers = await Promise.allSettled(asked.map(({ link }) => link.ask(name, input, timeoutMs)));
    return answers.flatMap((answer) => {
      if (answer.status === 'fulfilled') return [answer.value];
      this.#options.log.warn('a worker did not answer', { error: ProaError.from(answer.reason).message });
      return [];
    });
  }

  async #startOne(): Promise<void> {
    const { clock, process, log, shared } = this.#options;
    const { apps: served, socket, own } = this.#options.served();
    const listeners = [socket, ...served.flatMap((each) => each.listeners)];
    const child = process.fork({
      args: ['worker'],
      listeners,
      output: (_stream, chunk) => this.#options.line(undefined, Buffer.from(chunk).toString()),
      received: (message) => link.received(message),
    });
    const worker: Worker = { child, borrower: borrowerOver(() => link), state: 'starting', link: undefined as unknown as Link };
    const link = createLink({ clock, send: (message) => child.send(message), answers: this.#answers(worker) });
    (worker as { link: Link }).link = link;
    void child.exit.then(({ code, signal }) => this.#ended(worker, signal ?? code));
    const apps = served.map(({ spec, appPort }) => (appPort === undefined ? spec : { ...spec, appPort }));
    this.#workers.push(worker);
    try {
      const instances = served.map(({ instance }) => instance);
      const start: WorkerStart = { apps, shared, socket: socket.address, own, instances, processes: this.shared.processes };
      await link.ask('start', start, startMs);
    } catch (error) {
      await this.#stopOne(worker);
      throw new ProaError('internal', `a worker could not start: ${ProaError.from(error).message}`, { cause: error });
    }
    worker.state = 'serving';
    this.#delayMs = backOffMs.least;
    log.info('a worker serves', { pid: child.pid });
  }

  #answers(worker: Worker): Parameters<typeof createLink>[0]['answers'] {
    const { putMetadata, answer, shutdown, line } = this.#options;
    return {
      want: (input) => this.#banks.want(worker.borrower, input as Parcels['places']),
      back: (input) => this.#banks.back(worker.borrower, input as Parcels['places']),
      news: (input) => {
        this.#desk.arrived(input as Parcels['news']);
        this.#spread(input as Parcels['news'], worker);
      },
      metadata: async (input) => {
        const { app, key, value } = input as Parcels['metadata'];
        putMetadata(app, key, value);
        await this.#askAll('metadata', input, { except: worker });
      },
      question: async (asked) => {
        const { app, question, input } = asked as Parcels['question'];
        const [here, others] = await Promise.all([
          answer(app, question, input as never),
          this.#askAll('question', asked, { except: worker }),
        ]);
        return [here, ...others];
      },
      shutdown: (input) => shutdown((input as Parcels['shutdown']).force),
      line: (input) => line((input as Parcels['line']).appId, (input as Parcels['line']).line),
    };
  }

  async #stopOne(worker: Worker): Promise<void> {
    worker.state = 'stopping';
    const { clock, shared } = this.#options;
    worker.link.ask('stop', undefined, shared.graceMs + 10_000).catch(() => {});
    const kill = clock.timer(shared.graceMs + 12_000, () => worker.child.kill('SIGKILL'), true);
    await worker.child.exit;
    kill.cancel();
  }

  #ended(worker: Worker, how: string | number | undefined): void {
    worker.link.close();
    this.#workers = this.#workers.filter((each) => each !== worker);
    this.#banks.gone(worker.borrower);
    // One that has never served is the matter of whoever starts it.
    if (worker.state !== 'serving' || this.#stopped) return;
    this.#options.log.error('a worker has ended; another one is started', { pid: worker.child.pid, how: how ?? 'unknown' });
    this.#replaceLater(this.#life);
  }

  #replaceLater(life: number): void {
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(backOffMs.most, delayMs * 2);
    this.#options.clock.timer(delayMs, () => this.#replace(life), true);
  }

  #replace(life: number): void {
    if (life !== this.#life) return;
    this.#startOne().catch((error: unknown) => {
      if (life !== this.#life) return;
      this.#options.log.error('a worker cannot be started; trying again', { error: ProaError.from(error).message });
      this.#replaceLater(life);
    });
  }
}

/** A worker as its banks see it. A worker that cannot hear it is about to end, and then what it holds is free. */
function borrowerOver(link: () => Link): Borrower {
  const tell = (name: string, parcel: PlaceParcel): void => link().tell(name, parcel);
  return { granted: (parcel) => tell('granted', parcel), recalled: (parcel) => tell('recalled', parcel) };
}
