import { ProaError } from '../../kernel/errors.ts';
import type { Ports, SharedListener } from '../../kernel/ports.ts';
import type { HostOptions, RunningHost } from '../host-api.ts';
import { createInheritedNetwork } from './inherited-network.ts';
import { createLink, type Answers, type Link } from './link.ts';
import { createNewsDesk, type NewsDesk } from './news-desk.ts';
import { PlaceBook } from './place-book.ts';
import type { Parcels, WorkerStart } from './pool.ts';
import type { Answered, Questions } from './questions.ts';
import type { ProcessRole } from './role.ts';
import { createSumsBook } from './sums-book.ts';

/** What a worker runs: the same host as its parent, in another role. */
export type StartWorker = (options: HostOptions, role: ProcessRole) => Promise<WorkerHost>;

/** A host as its worker's link needs it. */
export interface WorkerHost extends RunningHost {
  expositionOf(app: number, format: 'prometheus' | 'openmetrics'): Promise<string>;
  answer<Q extends keyof Questions>(app: number, question: Q, input: Questions[Q]['input']): Promise<Answered>;
}

/** Serves as a worker of the process that forked this one, until that says stop or is gone; answers the exit code. */
export async function runWorker(ports: Ports, startHost: StartWorker): Promise<number> {
  const parent = ports.process.parent();
  if (parent === undefined) throw new ProaError('config.invalid', 'a worker is started by its host, not by hand');
  const state: WorkerState = { host: undefined, places: undefined, news: undefined };
  return new Promise((resolve) => {
    const end = async (): Promise<void> => {
      await state.host?.stop('the host stops');
      resolve(0);
    };
    const link: Link = createLink({
      clock: ports.clock,
      send: (message) => parent.send(message),
      answers: {
        ...answersOf(state),
        start: async (input) => {
          await begin({ ports, start: input as WorkerStart, sockets: parent.sockets, state, startHost, link });
        },
        stop: () => void end(),
      },
    });
    parent.listen(link.received, () => void end());
    // A terminal tells the whole group; a worker waits until its host says so.
    ports.process.onSignal('SIGINT', () => {});
    ports.process.onSignal('SIGHUP', () => {});
    ports.process.onSignal('SIGTERM', () => void end());
  });
}

interface WorkerState {
  host: WorkerHost | undefined;
  places: PlaceBook | undefined;
  news: NewsDesk | undefined;
}

interface Beginning {
  readonly ports: Ports;
  readonly start: WorkerStart;
  readonly sockets: readonly SharedListener[];
  readonly state: WorkerState;
  readonly startHost: StartWorker;
  readonly link: Link;
}

async function begin({ ports, start, sockets, state, startHost, link }: Beginning): Promise<void> {
  const tell = (name: string, input: unknown): void => link.tell(name, input);
  const places = new PlaceBook((name) => ({
    want: (count) => tell('want', { ...name, count } satisfies Parcels['places']),
    back: (count) => tell('back', { ...name, count } satisfies Parcels['places']),
  }));
  state.places = places;
  const desk = createNewsDesk((parcel) => tell('news', parcel satisfies Parcels['news']));
  state.news = desk;
  const sums = createSumsBook({ clock: ports.clock, news: desk.news, self: ports.random.uuid() });
  const role: ProcessRole = {
    first: false,
    announced: { socket: start.socket, own: start.own, instances: start.instances },
    shared: { processes: start.processes, places: (name, max) => places.of({ name, max }), sums, news: desk.news },
    connected: () => Promise.resolve(),
    metadataPut: (app, key, value) => tell('metadata', { app, key, value } satisfies Parcels['metadata']),
    // A host that does not answer has ended, and this process ends with it.
    ask: <Q extends keyof Questions>(app: number, question: Q, input: Questions[Q]['input']) =>
      link.ask('question', { app, question, input } satisfies Parcels['question']) as Promise<readonly Answered<Q>[]>,
    exposition: (_app, _format, own) => Promise.resolve(own),
    alone: (step) => step(),
    shutdown(force) {
      tell('shutdown', { force } satisfies Parcels['shutdown']);
      return true;
    },
    line: (appId, line) => tell('line', { appId, line } satisfies Parcels['line']),
  };
  state.host = await startHost(
    { ports: { ...ports, network: createInheritedNetwork(ports.network, sockets) }, apps: start.apps, shared: start.shared, events() {} },
    role,
  );
}

const notServing: Answered = { failure: { code: 'unavailable', message: 'this process does not serve yet' } };

function answersOf(state: WorkerState): Answers {
  return {
    granted: (input) => state.places?.granted(input as Parcels['places']),
    recalled: (input) => state.places?.recalled(input as Parcels['places']),
    news: (input) => state.news?.arrived(input as Parcels['news']),
    metadata(input) {
      const { app, key, value } = input as Parcels['metadata'];
      state.host?.apps[app]?.putMetadata(key, value);
    },
    question(asked) {
      const { app, question, input } = asked as Parcels['question'];
      return state.host?.answer(app, question, input as never) ?? notServing;
    },
    exposition(input) {
      const { app, format } = input as Parcels['exposition'];
      return state.host?.expositionOf(app, format) ?? '';
    },
    async connect(input) {
      const { app, port } = input as Parcels['connect'];
      const served = state.host?.apps[app];
      if (port === undefined) await served?.disconnect();
      else await served?.connect(port);
    },
  };
}
