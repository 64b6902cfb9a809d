import type { ActorAnswer, ActorCallback, ActorHost, ActorInvocation } from '../contracts/actor-host.ts';
import type { InvokeRequest, InvokeResponse } from '../contracts/app-channel.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { Engine } from '../contracts/engine.ts';
import { ungoverned } from '../contracts/governance.ts';
import type { Metrics } from '../contracts/metrics.ts';
import type { Placement } from '../contracts/placement.ts';
import type { Endpoint } from '../contracts/resolver.ts';
import type { StateStore } from '../contracts/state.ts';
import { createCall, type Call } from '../kernel/call.ts';
import { ProaError } from '../kernel/errors.ts';
import { silentLogger, type Logger } from '../kernel/log.ts';
import type { Clock, Ports } from '../kernel/ports.ts';
import type { DurableStage } from './durable-stage.ts';
import { createTestProcess, type TestProcess } from './test-process.ts';

/** What a block of actors is made of. */
export interface ActorsRigDeps {
  readonly engine: Engine;
  readonly placement: Placement;
  readonly store: () => StateStore;
  readonly send: (endpoint: Endpoint, call: Call<InvokeRequest>) => Promise<InvokeResponse>;
  readonly answerBytesMax: number;
  readonly reminderRetries?: () => ReminderRetries | undefined;
}

/** As the block takes it. */
interface ReminderRetries {
  afterMs(error: unknown, attempt: { readonly failures: number; readonly sinceMs: number }): number | undefined;
}

interface Receiving {
  receive(call: Call<InvokeRequest>): Promise<InvokeResponse>;
}

export interface ActorsRigOptions<Block extends Receiving> {
  readonly stage: DurableStage;
  readonly random: Ports['random'];
  openPlacement(options: {
    readonly engine: Engine;
    readonly clock: Clock;
    readonly log: Logger;
    readonly endpoint: () => Endpoint;
    readonly machine: string;
  }): Placement;
  openStore(engine: Engine): StateStore;
  readonly reminderRetries?: () => ReminderRetries | undefined;
  openBlock(context: BlockContext, deps: ActorsRigDeps): Block;
}

/** A runtime of the rig. */
export interface ActorsRuntime<Block> {
  readonly name: string;
  readonly process: TestProcess;
  readonly block: Block;
  readonly host: TestActorHost;
  /** What was counted, by metric name and labels. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Runtimes with actors over one engine, that find and call each other. */
export interface ActorsRig<Block> extends Pick<DurableStage, 'pass' | 'until' | 'settle'> {
  runtime(name: string, store?: StateStore): ActorsRuntime<Block>;
}

export function createActorsRig<Block extends Receiving>(options: ActorsRigOptions<Block>): ActorsRig<Block> {
  const { clock, engineOf, pass, until, settle } = options.stage;
  const runtimes = new Map<string, ActorsRuntime<Block>>();
  return {
    pass,
    until,
    settle,
    runtime(name, store) {
      const process = createTestProcess({ engine: engineOf(name), clock });
      const counts = new Map<string, number>();
      const ports = { clock: process.clock, random: options.random } as Ports;
      const context = { ports, log: silentLogger, metrics: counting(counts), appId: 'shop', namespace: 'default', govern: ungoverned };
      const endpoint = { appId: 'shop', namespace: 'default', instance: name, local: { path: `/${name}` } };
      const placement = options.openPlacement({
        engine: process.engine,
        clock: process.clock,
        log: silentLogger,
        endpoint: () => endpoint,
        machine: 'one',
      });
      const kept = store ?? options.openStore(process.engine);
      const block = options.openBlock(context, {
        engine: process.engine,
        placement,
        store: () => kept,
        answerBytesMax: 1024 * 1024,
        ...(options.reminderRetries === undefined ? {} : { reminderRetries: options.reminderRetries }),
        send(to, call) {
          const target = runtimes.get(to.instance);
          if (target === undefined || target.process.down)
            return Promise.reject(new ProaError('invoke.unreachable', `${to.instance} is not there`));
          return target.block.receive(call);
        },
      });
      const runtime = { name, process, block, host: new TestActorHost(name), counts };
      runtimes.set(name, runtime);
      return runtime;
    },
  };
}

type Behaviour = (invocation: ActorInvocation) => Promise<string> | string;

/** An app that runs actors as a test tells it: unknown methods answer `<runtime>:<id>`. */
export class TestActorHost implements ActorHost {
  readonly methods = new Map<string, Behaviour>();
  /** What was called, in order. */
  readonly log: string[] = [];
  onDue: (callback: ActorCallback) => Promise<boolean> | boolean = () => false;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  async invoke({ input }: Call<ActorInvocation>): Promise<ActorAnswer> {
    this.log.push(`${input.method} ${input.id}`);
    const text = (await this.methods.get(input.method)?.(input)) ?? `${this.#name}:${input.id}`;
    return { status: 200, headers: ['content-type', 'application/json'], data: Buffer.from(text) };
  }

  async remind({ input }: Call<ActorCallback>): Promise<{ cancel: boolean }> {
    this.log.push(`remind ${input.id} ${input.name} ${input.data ?? ''}`.trim());
    return { cancel: await this.onDue(input) };
  }

  async timer({ input }: Call<ActorCallback>): Promise<{ cancel: boolean }> {
    this.log.push(`timer ${input.id} ${input.name} ${input.callback ?? ''} ${input.data ?? ''}`.trim());
    return { cancel: await this.onDue(input) };
  }

  async deactivate({ input }: Call<{ readonly type: string; readonly id: string }>): Promise<void> {
    this.log.push(`deactivate ${input.id}`);
  }
}

/** A call of a block's service. */
export function callOf<In>(input: In): Call<In> {
  return createCall({ block: 'actors', name: 'test', idempotent: false }, input, { caller: { appId: 'caller', namespace: 'default' } });
}

function counting(counts: Map<string, number>): Metrics {
  const key = (name: string, labels: Readonly<Record<string, string>>): string =>
    [name, ...Object.entries(labels).map(([label, value]) => `${label}=${value}`)].join(' ');
  return {
    counter: (name, labels) => ({ add: (count) => void counts.set(key(name, labels), (counts.get(key(name, labels)) ?? 0) + count) }),
    gauge: (name, labels) => ({ set: (value) => void counts.set(key(name, labels), value) }),
    histogram: () => ({ record() {} }),
  };
}
