import type { Engine } from '../../contracts/engine.ts';
import { ReadGrants, readLeaseMs } from '../../drivers/engine-socket/read-grants.ts';
import { connectEngine, type RemoteEngine } from '../../drivers/engine-socket/connect-engine.ts';
import { type EngineServer, serveEngine } from '../../drivers/engine-socket/serve-engine.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import type { Address, Clock, Network, Random, Timer } from '../../kernel/ports.ts';
import type { Key } from '../../kernel/tuple.ts';
import { grantedEngine } from './granted-engine.ts';
import type { MeetingPlace } from './meeting-place.ts';
import type { OwnedStore } from './owned-store.ts';

/** Who takes over first when an owner dies; an in-process runtime only when nobody better is there. */
export type EngineRole = 'host' | 'sidecar' | 'client';

export interface SeatOptions {
  readonly ports: { readonly clock: Clock; readonly network: Network; readonly random: Random };
  readonly store: OwnedStore;
  readonly meeting: MeetingPlace;
  readonly role: EngineRole;
  readonly name: string;
  readonly scope?: readonly Key[];
  /** How long an owner may be silent before it counts as dead. Default 2 s. */
  readonly silenceMs?: number;
}

/** A place at the engine: as its owner, or as a client of it. It is taken once, and lost once. */
export interface Seat {
  readonly owner: boolean;
  readonly epoch: number;
  readonly engine: Engine;
  /** Before a request: undefined to go on, else a promise that rejects when the seat turns out to be lost. */
  admit(): Promise<void> | undefined;
  /** The engine answered `unknown` or `engine.unavailable`: an owner gives its seat up, a client waits for its connection to tell. */
  doubt(error: unknown): void;
  /** Resolves, with the reason, when the seat is lost. */
  readonly lost: Promise<Error>;
  close(): Promise<void>;
}

/** A claim that nobody has published an address for is given up after this long. */
const publishMs = 1_000;
const silenceDefaultMs = 2_000;
/** An owner that we have just lost gets one short chance: perhaps only the connection broke. */
const secondChanceMs = 300;
/** A connection that breaks says that somebody was there: its owner gets so many further looks, the first after so long and each after twice as long. */
const broken = { looksMax: 5, pauseMs: 20 } as const;
/** Of the time that an owner serves without looking at the epochs; its successor waits a little longer. */
const replacedMargin = 1.25;
const takeOverDelaysMs = { host: 0, sidecar: 150, client: 500 } as const;

/**
 * Finds a seat: connects to the owner of the highest epoch, and takes over when nobody answers. `before` is the epoch of the owner
 * that this process has just lost, if any: then better candidates get the first try. An owner whose connection broke is looked for again before anybody takes over from it.
 * Fails with the store's errors, and never because another candidate was faster.
 */
export async function findSeat(options: SeatOptions, before: number | undefined): Promise<Seat> {
  const { store, meeting, ports } = options;
  let unpublished = { epoch: -1, sinceMono: 0 };
  let breaks = { epoch: -1, looks: 0 };
  for (;;) {
    const epoch = await store.epoch();
    const address = epoch === 0 ? undefined : await meeting.find(epoch);
    if (address !== undefined && address !== 'left') {
      const found = await tryConnect(options, address, epoch === before ? secondChanceMs : undefined);
      if (typeof found === 'object') return clientSeat(found, epoch);
      if (breaks.epoch !== epoch) breaks = { epoch, looks: 0 };
      if (found === 'broken' && breaks.looks < broken.looksMax) {
        await pause(ports.clock, broken.pauseMs * 2 ** breaks.looks++);
        continue;
      }
    } else if (address === undefined && epoch > 0 && epoch !== before) {
      if (unpublished.epoch !== epoch) unpublished = { epoch, sinceMono: ports.clock.mono() };
      if (ports.clock.mono() - unpublished.sinceMono < publishMs) {
        await pause(ports.clock, 10);
        continue;
      }
    }
    if (before !== undefined) {
      const spread = takeOverDelaysMs[options.role];
      await pause(ports.clock, spread + (ports.random.u32() % (spread / 2 + 10)));
      if ((await store.epoch()) !== epoch) continue;
    }
    const seat = await tryOwn(options, epoch);
    if (seat !== undefined) return seat;
  }
}

/** `broken` when somebody was there and the connection broke; an owner that refuses us is an error. */
async function tryConnect(
  options: SeatOptions,
  address: Address,
  shortMs: number | undefined,
): Promise<RemoteEngine | 'nobody' | 'broken'> {
  const { ports, name, scope, silenceMs = silenceDefaultMs } = options;
  try {
    return await connectEngine({
      network: ports.network,
      clock: ports.clock,
      address,
      name,
      ...(scope !== undefined && { scope }),
      silenceMs,
      connectTimeoutMs: Math.min(silenceMs, shortMs ?? silenceMs),
    });
  } catch (error) {
    if (!isProaError(error) || error.code !== 'engine.unavailable') throw error;
    return isAbsence(error.cause) ? 'nobody' : 'broken';
  }
}

/** Nobody listens there, or whoever does is silent: dead or frozen. */
function isAbsence(cause: unknown): boolean {
  if (isProaError(cause)) return cause.code === 'deadline-exceeded';
  const code = (cause as { readonly code?: unknown } | undefined)?.code;
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

function clientSeat(engine: RemoteEngine, epoch: number): Seat {
  return {
    owner: false,
    epoch,
    engine,
    admit: () => undefined,
    doubt: () => {},
    lost: engine.lost,
    close: () => engine.close(),
  };
}

async function tryOwn(options: SeatOptions, seen: number): Promise<Seat | undefined> {
  const { store, meeting, ports } = options;
  const opening = deferred<Engine>();
  let server: EngineServer | undefined;
  let guard: OwnerGuard | undefined;
  let grants: ReadGrants | undefined;
  const abandon = async (error: unknown): Promise<void> => {
    opening.reject(error);
    guard?.stop();
    await server?.close();
  };
  try {
    let claimedMono = 0;
    let [replacesLiving, othersKeptReads] = [false, false];
    const engine = await store.open(seen, async (epoch) => {
      claimedMono = ports.clock.mono();
      replacesLiving = await meeting.olderLives(epoch);
      othersKeptReads = await meeting.olderGranted(epoch);
      const watch = new OwnerGuard({ clock: ports.clock, store, epoch, silenceMs: options.silenceMs ?? silenceDefaultMs });
      guard = watch;
      const address = await meeting.place(epoch);
      server = await serveEngine({
        network: ports.network,
        clock: ports.clock,
        address,
        engine: opening.promise,
        admit: () => watch.admit(),
        grants: () => grants,
      });
      await meeting.publish(epoch, address);
    });
    if (engine === undefined || guard === undefined || server === undefined) {
      await abandon(new ProaError('engine.unavailable', 'another process became the owner'));
      await engine?.close();
      return undefined;
    }
    // Until its next look at the epochs, an owner that still runs answers reads; nothing may be acknowledged behind its back.
    if (replacesLiving) await pause(ports.clock, Math.max(0, claimedMono + guard.stallMs * replacedMargin - ports.clock.mono()));
    // Clients of an owner that died may not have heard of it yet, and answer from what they keep.
    if (othersKeptReads) await pause(ports.clock, Math.max(0, claimedMono + readLeaseMs * replacedMargin - ports.clock.mono()));
    await meeting.forgetOlder(guard.epoch);
    const own = guard;
    grants = new ReadGrants({
      clock: ports.clock,
      engine,
      servesForMs: () => own.servesForMs(),
      first: () => meeting.granting(own.epoch),
    });
    const granted = grantedEngine(engine, grants);
    opening.resolve(granted);
    return ownerSeat({ engine: granted, guard: own, server, meeting, grants });
  } catch (error) {
    await abandon(error);
    throw error;
  }
}

interface OwnerParts {
  readonly engine: Engine;
  readonly guard: OwnerGuard;
  readonly server: EngineServer;
  readonly meeting: MeetingPlace;
  readonly grants: ReadGrants;
}

function ownerSeat({ engine, guard, server, meeting, grants }: OwnerParts): Seat {
  guard.watch();
  return {
    owner: true,
    epoch: guard.epoch,
    engine,
    admit: () => guard.admit(),
    doubt: (error) => guard.fail(ProaError.from(error)),
    lost: guard.lost,
    async close() {
      guard.stop();
      // Nobody may answer from what it keeps when the next owner begins to write.
      await grants.end();
      await meeting.retract(guard.epoch);
      // What is queued becomes durable first; then the clients are sent to look for the next owner.
      try {
        await engine.close();
      } finally {
        await server.close();
      }
    },
  };
}

/**
 * Keeps an owner from serving when it is none any more. Commits are checked by the store itself; this is for reads, and for finding out
 * soon: after a stall of the process (stopped, swapped out, a laptop's lid) nothing is served before the epoch was looked at.
 */
class OwnerGuard {
  readonly epoch: number;
  readonly lost: Promise<Error>;
  readonly #clock: Clock;
  readonly #store: OwnedStore;
  /** How long it serves without looking at the epochs: well below the time after which others take over. */
  readonly stallMs: number;
  #lastMono: number;
  #timer: Timer | undefined;
  #checking: Promise<void> | undefined;
  #ended = false;
  #resolveLost: (error: Error) => void = () => {};

  constructor(options: { clock: Clock; store: OwnedStore; epoch: number; silenceMs: number }) {
    this.#clock = options.clock;
    this.#store = options.store;
    this.stallMs = options.silenceMs / 2;
    this.epoch = options.epoch;
    this.#lastMono = options.clock.mono();
    this.lost = new Promise((resolve) => void (this.#resolveLost = resolve));
  }

  watch(): void {
    if (this.#ended) return;
    this.#timer = this.#clock.timer(
      this.stallMs / 4,
      () =>
        void this.#check().then(
          () => this.watch(),
          () => {},
        ),
      true,
    );
  }

  admit(): Promise<void> | undefined {
    if (this.#ended) return Promise.reject(notOwner(this.epoch));
    if (this.#clock.mono() - this.#lastMono <= this.stallMs) return undefined;
    return this.#check();
  }

  /** For how long it may serve reads without another look. */
  servesForMs(): number {
    return this.#ended ? 0 : this.stallMs - (this.#clock.mono() - this.#lastMono);
  }

  fail(error: Error): void {
    if (this.#ended) return;
    this.stop();
    this.#resolveLost(error);
  }

  stop(): void {
    this.#ended = true;
    this.#timer?.cancel();
  }

  #check(): Promise<void> {
    this.#checking ??= this.#compare().finally(() => void (this.#checking = undefined));
    return this.#checking;
  }

  async #compare(): Promise<void> {
    // From before the look: the process may be stopped between the look and its answer.
    const lookedMono = this.#clock.mono();
    const newest = await this.#store.epoch().catch((error: unknown) => {
      this.fail(ProaError.from(error));
      return this.epoch;
    });
    if (newest !== this.epoch) this.fail(notOwner(this.epoch));
    if (this.#ended) throw notOwner(this.epoch);
    this.#lastMono = lookedMono;
  }
}

function notOwner(epoch: number): ProaError {
  return new ProaError('engine.unavailable', `the owner of epoch ${epoch} was replaced`);
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.timer(delayMs, resolve));
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Nobody may be waiting for it.
  promise.catch(() => {});
  return { promise, resolve, reject };
}
