import type { Engine } from '../contracts/engine.ts';
import type { Metrics } from '../contracts/metrics.ts';
import type { Resolver } from '../contracts/resolver.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Logger } from '../kernel/log.ts';
import type { Clock, Timer } from '../kernel/ports.ts';
import { Rounds } from '../kernel/rounds.ts';
import type { PolicyDocument } from '../mesh/policy/model.ts';
import { applyDeclaration, declarationOf, type DeclaredRollout } from '../mesh/rollout/declared.ts';
import { judge, type Rollout } from '../mesh/rollout/rollout.ts';
import { withRollouts, type StepCounters } from '../mesh/rollout/rollout-rules.ts';
import {
  leaveSample,
  listRollouts,
  readTallies,
  rolloutLease,
  rolloutPrefix,
  writeRollout,
  type StoredRollout,
} from '../mesh/rollout/rollout-store.ts';
import { createVersionTally } from '../mesh/rollout/version-tally.ts';
import { countCalls, tellRollout } from './rollout-metrics.ts';

export interface RolloutsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly engine: Engine;
  readonly namespace: string;
  /** A name that no other runtime has. */
  readonly instance: string;
  /** Makes the id of a rollout that a file asks for. */
  readonly id: () => string;
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Puts policies into effect. */
  readonly turn: (document: PolicyDocument) => void;
  /** The policies of files. */
  readonly document: PolicyDocument;
}

/** The rollouts that a runtime takes part in: it splits and counts the calls of its app, and drives them while nobody else does. */
export interface Rollouts {
  /** The policies of files are these now. */
  setDocument(document: PolicyDocument): void;
  /** Looks at the engine once, in a look that begins now or after the one under way. */
  look(): Promise<void>;
  close(): Promise<void>;
}

const runningLookMs = 1_000;
const idleLookMs = 15_000;
const leaseMs = 10_000;

interface Counted extends StepCounters {
  /** Calls that were in the last sample. */
  left: number;
}

/** Begins to follow the rollouts of a namespace. */
export function followRollouts(options: RolloutsOptions): Rollouts {
  const following = new Following(options);
  void following.begin();
  return following;
}

class Following implements Rollouts {
  readonly #options: RolloutsOptions;
  readonly #rounds = new Rounds(() => this.#lookOnce());
  readonly #counters = new Map<string, Counted>();
  #document: PolicyDocument;
  /** What files ask for and the engine has not been told of. */
  #asked: readonly DeclaredRollout[];
  #rollouts: readonly Rollout[] = [];
  #effective = '[]';
  #unwatch: () => void = () => {};
  readonly #told = new Map<string, string>();
  #timer: Timer | undefined;

  constructor(options: RolloutsOptions) {
    this.#options = options;
    this.#document = options.document;
    this.#asked = options.document.rollouts;
  }

  begin(): Promise<void> {
    this.#unwatch = this.#options.engine.watch(rolloutPrefix(this.#options.namespace), () => void this.look());
    return this.look();
  }

  setDocument(document: PolicyDocument): void {
    const asks = document.rollouts.map(stateOf).join();
    const changed = asks !== this.#document.rollouts.map(stateOf).join();
    this.#document = document;
    this.#turn();
    if (!changed) return;
    this.#asked = document.rollouts;
    void this.look();
  }

  look(): Promise<void> {
    return this.#rounds.round();
  }

  async close(): Promise<void> {
    this.#unwatch();
    this.#timer?.cancel();
    await this.#rounds.close();
  }

  #arm(): void {
    this.#timer?.cancel();
    const busy = this.#asked.length > 0 || this.#rollouts.some(({ state }) => state === 'running');
    const afterMs = busy ? runningLookMs : idleLookMs;
    this.#timer = this.#options.clock.timer(afterMs, () => void this.look(), true);
  }

  async #lookOnce(): Promise<void> {
    const { engine, namespace, log } = this.#options;
    try {
      await this.#declare();
      const stored = await listRollouts(engine, namespace);
      if (this.#rounds.closed) return;
      this.#follow(stored.map(({ rollout }) => rollout));
      for (const each of stored) if (each.rollout.state === 'running') await this.#drive(each);
    } catch (error) {
      // The next look may find the engine again; until then calls are split as they were.
      if (!this.#rounds.closed) log.debug('rollouts cannot be read', { error: ProaError.from(error).message });
    } finally {
      if (!this.#rounds.closed) this.#arm();
    }
  }

  /** Tells the engine what files ask for. What has to wait is tried again with each look. */
  async #declare(): Promise<void> {
    const { engine, namespace, log } = this.#options;
    const asked = this.#asked;
    const left: DeclaredRollout[] = [];
    for (const declared of asked) {
      const became = await applyDeclaration(engine, declared, { namespace, id: this.#options.id() });
      if (became === 'waits' || became === 'changed') left.push(declared);
      const { app } = declared.plan;
      const told = `${became} ${stateOf(declared)}`;
      if (became === 'changed' || became === 'done' || this.#told.get(app) === told) continue;
      this.#told.set(app, told);
      log.warn(`Rollout "${declared.name}" of ${app} is not begun: ${notBegun[became]}`, { at: declared.origin });
    }
    // A reload meanwhile asks for something else.
    if (this.#asked === asked) this.#asked = left;
  }

  #follow(rollouts: readonly Rollout[]): void {
    const effective = JSON.stringify(rollouts);
    if (effective === this.#effective) return;
    this.#effective = effective;
    this.#rollouts = rollouts;
    for (const rollout of rollouts) tellRollout(this.#options.metrics, rollout);
    const kept = new Set(rollouts.map(keyOf));
    for (const key of this.#counters.keys()) if (!kept.has(key)) this.#counters.delete(key);
    this.#turn();
  }

  #turn(): void {
    this.#options.turn(withRollouts(this.#document, this.#rollouts, (rollout) => this.#countersOf(rollout)));
  }

  #countersOf(rollout: Rollout): Counted | undefined {
    if (rollout.state !== 'running') return undefined;
    const key = keyOf(rollout);
    let counters = this.#counters.get(key);
    if (counters === undefined) {
      const { metrics } = this.#options;
      const tally = (version: string) => createVersionTally(countCalls(metrics, rollout.app, version));
      this.#counters.set(key, (counters = { from: tally(rollout.from), to: tally(rollout.to), left: 0 }));
    }
    return counters;
  }

  async #drive(stored: StoredRollout): Promise<void> {
    const { engine, instance, log, namespace } = this.#options;
    const { rollout, version } = stored;
    const counters = this.#countersOf(rollout) as Counted;
    const calls = counters.from.good + counters.from.bad + counters.to.good + counters.to.bad;
    if (calls > counters.left) {
      await leaveSample(engine, rollout, { instance, ...counters });
      counters.left = calls;
    }
    const lease = await engine.acquireLease(rolloutLease(namespace, rollout.app), instance, leaseMs);
    if (!lease.held || !(await this.#isThere(rollout))) return;
    const verdict = judge(rollout, await readTallies(engine, rollout), engine.now());
    if ('wait' in verdict) return;
    const next: Rollout = { ...rollout, ...verdict.become, stepBeganMs: engine.now() };
    if (!(await writeRollout(engine, { rollout: next, version }, lease.epoch))) return;
    const { app, state, step, why } = next;
    log[state === 'rolled-back' ? 'warn' : 'info'](`the rollout of ${app} is ${state}`, { step: step + 1, why });
    if (state !== 'running') await engine.releaseLease(lease);
    void this.look();
  }

  /** Without an instance of the new version its calls go to the old one, which would prove nothing. */
  async #isThere({ app, to }: Rollout): Promise<boolean> {
    const { resolver, namespace } = this.#options;
    return (await resolver.resolve(app, namespace)).endpoints.some(({ version }) => version === to);
  }
}

const notBegun = {
  older: 'the app has had it, and another one since; another `attempt` begins it again',
  waits: 'one that was begun by hand is running; it follows when that has ended',
} as const;

function stateOf(declared: DeclaredRollout): string {
  return `${declarationOf(declared)} ${declared.state}`;
}

function keyOf({ id, step, app }: Rollout): string {
  return `${app} ${id} ${step}`;
}
