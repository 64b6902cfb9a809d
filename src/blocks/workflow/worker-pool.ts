import type { WorkflowWorker } from '../../contracts/workflow.ts';
import { meant } from '../../kernel/closest.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { Clock } from '../../kernel/ports.ts';

export type WorkKind = 'workflows' | 'activities';

/** How much may be under way at once: in this runtime, and in all runtimes of the app together, in all and per name. */
export interface ConcurrencyLimits {
  readonly max: number;
  readonly shared: { readonly max: number; readonly names: ReadonlyMap<string, number> };
}

/** This runtime's part of a limit that all of them share. */
export interface SharedLimit {
  /** How much may be under way here. */
  readonly granted: number;
  /** Tells what is under way here, and what more could be. */
  demand(busy: number, waiting: number): void;
}

/** Makes the part of a limit. `name` undefined: the limit of all names together. */
export type ShareLimit = (limit: {
  readonly kind: WorkKind;
  readonly name: string | undefined;
  readonly max: number;
  more(): void;
}) => SharedLimit;

/** A worker that is attached. */
export interface WorkerSeat {
  /** Its name among the workers of this runtime. */
  readonly id: string;
  readonly worker: WorkflowWorker;
  readonly busy: Record<WorkKind, number>;
  readonly gone: Set<(error: ProaError) => void>;
  attached: boolean;
}

interface Waiting {
  readonly prefer: WorkerSeat | undefined;
  /** Still waits for that one only. */
  patient: boolean;
  readonly take: (seat: WorkerSeat) => void;
}

/** What waits for a worker, per name and in order of arrival. */
class Line {
  readonly name: string;
  readonly shared: SharedLimit | undefined;
  busy = 0;
  readonly waiting: Set<Waiting> = new Set();

  constructor(name: string, shared: SharedLimit | undefined) {
    this.name = name;
    this.shared = shared;
  }

  get room(): number {
    return this.shared === undefined ? Infinity : this.shared.granted - this.busy;
  }
}

class Lines {
  readonly lines = new Map<string, Line>();
  busy = 0;
  waiting = 0;
  readonly #max: number;
  readonly #shared: SharedLimit | undefined;
  readonly #names = new Map<string, SharedLimit>();

  constructor({ max, shared }: ConcurrencyLimits, share: (name: string | undefined, max: number) => SharedLimit) {
    this.#max = max;
    if (shared.max < Infinity) this.#shared = share(undefined, shared.max);
    for (const [name, most] of shared.names) this.#names.set(name, share(name, most));
  }

  of(name: string): Line {
    let line = this.lines.get(name);
    if (line === undefined) this.lines.set(name, (line = this.made(name)));
    return line;
  }

  made(name: string): Line {
    return new Line(name, this.#names.get(name));
  }

  /** Forgets the line when nothing is in it: names come from workflows, and there is no end of them. */
  done(line: Line): void {
    if (line.busy === 0 && line.waiting.size === 0 && this.lines.get(line.name) === line) this.lines.delete(line.name);
  }

  open(line: Line): boolean {
    return this.busy < this.#max && line.room > 0 && (this.#shared === undefined || this.busy < this.#shared.granted);
  }

  /** Whether a limit is shared that such work counts for. */
  counts(line: Line): boolean {
    return this.#shared !== undefined || line.shared !== undefined;
  }

  /** Tells the shared limits what is wanted; `seats` is how much the workers here could take beside what they have. */
  tell(line: Line, seats: () => number): void {
    line.shared?.demand(line.busy, Math.min(line.waiting.size, line.waiting.size > 0 ? seats() : 0));
    if (this.#shared === undefined) return;
    let waiting = 0;
    // What another limit holds up would only keep places from other runtimes.
    if (this.waiting > 0) for (const each of this.lines.values()) waiting += Math.min(each.waiting.size, Math.max(0, each.room));
    this.#shared.demand(this.busy, Math.min(waiting, this.#max - this.busy, waiting > 0 ? seats() : 0));
  }
}

/** Work in a worker's hands. */
export interface Held {
  readonly seat: WorkerSeat;
  /** The answer, or a rejection when the worker rejects or is detached. */
  run<Answer>(work: (worker: WorkflowWorker) => Promise<Answer>): Promise<Answer>;
  /** Gives the place back; once. */
  release(): void;
}

const unheardMax = 1_000;
/** So long work waits for the worker that keeps its past, when that is busy: another one needs all of it (serverless reference 5.12). */
const patienceMs = 2;
/** Waiting ones that are looked at while the first are patient. */
const looksMax = 16;

/** The workers of one app's runtime: hands out places, never more than a worker takes, nor than the limits of the runtime allow. */
export class WorkerPool {
  readonly #seats: WorkerSeat[] = [];
  readonly #kinds: Record<WorkKind, Lines>;
  /** Names of workflows that were asked for in vain, since a worker came last. */
  readonly #unheard = new Set<string>();
  readonly #clock: Clock;
  #next = 0;
  #made = 0;

  constructor(clock: Clock, limits: Record<WorkKind, ConcurrencyLimits>, share: ShareLimit) {
    this.#clock = clock;
    const lines = (kind: WorkKind): Lines =>
      new Lines(limits[kind], (name, max) =>
        share({
          kind,
          name,
          max,
          more: () => {
            this.#pump(kind);
            this.#tellAll(kind);
          },
        }),
      );
    this.#kinds = { workflows: lines('workflows'), activities: lines('activities') };
  }

  get size(): number {
    return this.#seats.length;
  }

  /** How much waits for a place. */
  get waiting(): number {
    return this.#kinds.workflows.waiting + this.#kinds.activities.waiting;
  }

  /** True when some worker takes work of this name, now or when it has a place. */
  accepts(kind: WorkKind, name: string): boolean {
    return this.#seats.some((seat) => accepts(seat, kind, name));
  }

  /** What to say of a workflow that none of the workers takes, once per name until another worker comes: the hint. Without workers there is nothing to say. */
  unheard(name: string): { readonly hint?: string } | undefined {
    if (this.#seats.length === 0 || this.#unheard.has(name) || this.#unheard.size >= unheardMax) return undefined;
    this.#unheard.add(name);
    return meant(name, new Set(this.#seats.flatMap(({ worker }) => [...(worker.workflows ?? [])])));
  }

  /** True when a place is free at once. */
  free(kind: WorkKind, name: string): boolean {
    const lines = this.#kinds[kind];
    const line = lines.lines.get(name) ?? lines.made(name);
    return line.waiting.size === 0 && lines.open(line) && this.#pick(kind, name, anybody) !== undefined;
  }

  attach(worker: WorkflowWorker): () => void {
    const seat: WorkerSeat = { id: String(this.#made++), worker, busy: { workflows: 0, activities: 0 }, gone: new Set(), attached: true };
    this.#seats.push(seat);
    this.#unheard.clear();
    for (const kind of ['workflows', 'activities'] as const) {
      this.#pump(kind);
      this.#tellAll(kind);
    }
    return () => this.#detach(seat);
  }

  /**
   * Which of the workers that keep what they have seen gets an instance that none of them is known to have, by rendezvous hashing: the same one every time, and when one comes or
   * goes only its own instances move. `score` is a hash of a worker's name and the instance. Undefined: it does not matter.
   */
  home(name: string, score: (seat: string) => number): WorkerSeat | undefined {
    if (this.#seats.length < 2) return undefined;
    let best: WorkerSeat | undefined;
    let most = -1;
    for (const seat of this.#seats) {
      if (seat.worker.keeps !== true || !accepts(seat, 'workflows', name)) continue;
      const own = score(seat.id);
      if (own > most) [best, most] = [seat, own];
    }
    return best;
  }

  /**
   * A place with a worker, as soon as there is one: with `prefer` if it has one, and if it keeps what it has seen also when it has one in a moment. `withdraw` gives up waiting; the
   * promise then stays open.
   */
  acquire(kind: WorkKind, name: string, prefer?: WorkerSeat): { readonly held: Promise<Held>; readonly withdraw: () => void } {
    const lines = this.#kinds[kind];
    const line = lines.of(name);
    const patient = prefer !== undefined && this.#seats.length > 1 && isWorthWaiting(prefer, kind, name);
    const seat = line.waiting.size === 0 && lines.open(line) ? this.#pick(kind, name, { prefer, patient }) : undefined;
    if (seat !== undefined) return { held: Promise.resolve(this.#hold(kind, line, seat)), withdraw: () => {} };
    let waiting: Waiting | undefined;
    const held = new Promise<Held>((resolve) => {
      waiting = { prefer, patient, take: (free) => resolve(this.#hold(kind, line, free)) };
      line.waiting.add(waiting);
      lines.waiting++;
    });
    if (patient) this.#clock.timer(patienceMs, () => this.#impatient(kind, waiting), true);
    this.#tell(kind, line);
    const withdraw = (): void => {
      if (waiting === undefined || !line.waiting.delete(waiting)) return;
      lines.waiting--;
      lines.done(line);
      this.#tell(kind, line);
    };
    return { held, withdraw };
  }

  #impatient(kind: WorkKind, waiting: Waiting | undefined): void {
    if (waiting === undefined) return;
    waiting.patient = false;
    this.#pump(kind);
  }

  #detach(seat: WorkerSeat): void {
    if (!seat.attached) return;
    seat.attached = false;
    this.#seats.splice(this.#seats.indexOf(seat), 1);
    const error = new ProaError('unavailable', 'the worker went away');
    for (const tell of [...seat.gone]) tell(error);
  }

  #hold(kind: WorkKind, line: Line, seat: WorkerSeat): Held {
    const lines = this.#kinds[kind];
    lines.busy++;
    line.busy++;
    seat.busy[kind]++;
    this.#tell(kind, line);
    let held = true;
    return {
      seat,
      run: (work) => runWith(seat, work),
      release: () => {
        if (!held) return;
        held = false;
        lines.busy--;
        line.busy--;
        seat.busy[kind]--;
        lines.done(line);
        this.#tell(kind, line);
        if (lines.waiting > 0) this.#pump(kind);
      },
    };
  }

  #tell(kind: WorkKind, line: Line): void {
    const lines = this.#kinds[kind];
    if (!lines.counts(line)) return;
    lines.tell(line, () => {
      let seats = 0;
      for (const { worker, busy } of this.#seats) seats += Math.max(0, roomOf(worker, kind) - busy[kind]);
      return seats;
    });
  }

  #tellAll(kind: WorkKind): void {
    for (const line of this.#kinds[kind].lines.values()) if (line.waiting.size > 0) this.#tell(kind, line);
  }

  #pump(kind: WorkKind): void {
    const lines = this.#kinds[kind];
    // One of each name per round, so that a name with a long line keeps no other waiting.
    for (let handed = true; handed && lines.waiting > 0;) {
      handed = false;
      for (const line of lines.lines.values()) {
        if (line.waiting.size === 0 || !lines.open(line)) continue;
        const found = this.#placeable(kind, line);
        if (found === undefined) continue;
        line.waiting.delete(found.waiting);
        lines.waiting--;
        handed = true;
        found.waiting.take(found.seat);
      }
    }
  }

  /** The first that waits and can be placed; those that still wait for their own worker hold nobody up. */
  #placeable(kind: WorkKind, { name, waiting }: Line): { readonly waiting: Waiting; readonly seat: WorkerSeat } | undefined {
    let looks = looksMax;
    for (const each of waiting) {
      const seat = this.#pick(kind, name, each);
      if (seat !== undefined) return { waiting: each, seat };
      if (!each.patient || --looks === 0) return undefined;
    }
    return undefined;
  }

  #pick(kind: WorkKind, name: string, { prefer, patient }: Pick<Waiting, 'prefer' | 'patient'>): WorkerSeat | undefined {
    if (prefer !== undefined && prefer.attached && accepts(prefer, kind, name)) {
      if (hasRoom(prefer, kind)) return prefer;
      if (patient) return undefined;
    }
    const count = this.#seats.length;
    for (let i = 0; i < count; i++) {
      const seat = this.#seats[(this.#next + i) % count] as WorkerSeat;
      if (!accepts(seat, kind, name) || !hasRoom(seat, kind)) continue;
      this.#next = (this.#next + i + 1) % count;
      return seat;
    }
    return undefined;
  }
}

const anybody = { prefer: undefined, patient: false };

function isWorthWaiting(seat: WorkerSeat, kind: WorkKind, name: string): boolean {
  return seat.attached && seat.worker.keeps === true && accepts(seat, kind, name);
}

function accepts({ worker }: WorkerSeat, kind: WorkKind, name: string): boolean {
  return roomOf(worker, kind) > 0 && worker[kind]?.has(name) !== false;
}

function hasRoom({ worker, busy }: WorkerSeat, kind: WorkKind): boolean {
  return busy[kind] < roomOf(worker, kind);
}

function roomOf(worker: WorkflowWorker, kind: WorkKind): number {
  return kind === 'workflows' ? worker.turnsMax : worker.activitiesMax;
}

function runWith<Answer>(seat: WorkerSeat, work: (worker: WorkflowWorker) => Promise<Answer>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const end = (): void => void seat.gone.delete(tell);
    const tell = (error: ProaError): void => {
      end();
      reject(error);
    };
    seat.gone.add(tell);
    if (!seat.attached) {
      tell(new ProaError('unavailable', 'the worker went away'));
      return;
    }
    const fail = (error: unknown): void => tell(ProaError.from(error));
    try {
      work(seat.worker).then((answer) => {
        end();
        resolve(answer);
      }, fail);
    } catch (error) {
      fail(error);
    }
  });
}
