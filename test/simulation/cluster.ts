import { isEtagError, type StateStore } from '../../src/contracts/state.ts';
import type { PubSub } from '../../src/contracts/pubsub.ts';
import { EngineBroker } from '../../src/drivers/pubsub-engine/broker.ts';
import { engineBrokerConfig } from '../../src/drivers/pubsub-engine/config.ts';
import { createEngineStore } from '../../src/drivers/state-engine/engine-store.ts';
import { openSharedEngine } from '../../src/host/engine/open-shared-engine.ts';
import type { SharedEngine } from '../../src/host/engine/shared-engine.ts';
import { silentLogger } from '../../src/kernel/log.ts';
import { tuple } from '../../src/kernel/tuple.ts';
import {
  createSimulatedMachine,
  type SimulatedMachine,
  type SimulatedMachineOptions,
  type SimulatedProcess,
} from '../../src/testing/simulator/machine.ts';
import * as v from 'valibot';
import { History } from './history.ts';

export const groups = ['billing', 'mail'] as const;
const stateKeys = ['alpha', 'beta', 'gamma'] as const;
/** Read so often that whoever does not own the journal keeps it. */
const hotKey = 'hot';
const log = tuple('sim', 'log');
const topic = 'orders';

/** A process of the cluster with what runs in it. */
interface Member {
  readonly process: SimulatedProcess;
  readonly role: 'host' | 'sidecar';
  engine?: SharedEngine;
  state?: StateStore;
  broker?: PubSub;
}

/**
 * Processes of one machine that share its journal, each with clients that write and read state, publish, consume and append to a log. Names tell the
 * incarnations of a process apart.
 */
export class Cluster {
  readonly machine: SimulatedMachine;
  readonly history = new History();
  readonly members = new Map<string, Member>();
  readonly failures: string[] = [];
  /** Reads that a client of the owner answered by itself. */
  keptReads = 0;
  #incarnation = 0;
  #quiet = false;
  #values = 0;
  #eventNumber = 0;

  constructor(options: SimulatedMachineOptions) {
    this.machine = createSimulatedMachine(options);
  }

  /** Clients finish what they do and begin nothing more. */
  quiet(): void {
    this.#quiet = true;
  }

  start(name: string): void {
    const process = this.machine.start(`${name}.${++this.#incarnation}`);
    const member: Member = { process, role: name === 'a' ? 'host' : 'sidecar' };
    this.members.set(name, member);
    this.#open(member).catch((error: unknown) => {
      if (process.state !== 'dead') this.failures.push(`${process.name} cannot start: ${String(error)}`);
    });
  }

  below(limit: number): number {
    return this.machine.random.u32() % limit;
  }

  /** What the log holds, read through a living member; fails when none has an engine. */
  async readAll(): Promise<{ sequence: number; text: string }[]> {
    const engine = [...this.members.values()].find((member) => member.engine !== undefined)?.engine;
    if (engine === undefined) throw new Error('nobody has an engine');
    const all: { sequence: number; text: string }[] = [];
    for (;;) {
      const { entries, head } = await engine.readLog(log, all.length);
      all.push(...entries.map(({ sequence, data }) => ({ sequence, text: Buffer.from(data).toString() })));
      if (all.length >= head || entries.length === 0) return all;
    }
  }

  /** Reads every state key through every member, as part of the history. */
  async readStates(): Promise<void> {
    for (const member of this.members.values()) for (const key of [...stateKeys, hotKey]) await this.#read(member, key);
  }

  async #open(member: Member): Promise<void> {
    const { ports, name } = member.process;
    const engine = await openSharedEngine({
      ports,
      directory: '/data',
      role: member.role,
      name,
      silenceMs: 400,
      deadlineMs: 3_000,
      journal: { segmentBytesMax: 32 * 1024, snapshotEveryBytes: 64 * 1024 },
    });
    member.engine = engine;
    const shared = { engine, random: ports.random, log: silentLogger, namespace: 'sim' };
    member.state = createEngineStore({ ...shared, space: 'store' });
    const config = v.parse(engineBrokerConfig, {
      lanes: '4',
      leaseTtl: '1s',
      redeliverInterval: '100ms',
      redeliverIntervalMax: '1s',
      startFrom: 'start',
    });
    member.broker = new EngineBroker(config, { ...shared, clock: ports.clock, name: 'bus' });
    for (let i = 0; i < 2; i++) this.#client(member, () => this.#stateStep(member), 160);
    this.#client(member, () => this.#hotStep(member), 200);
    this.#client(member, () => this.#append(member), 250);
    this.#client(member, () => this.#readLog(member), 400);
    // One publisher per key: only then is there an order to keep.
    this.#client(member, () => this.#publish(member, name), 250);
    for (const group of groups) await this.#consume(member, group);
  }

  /** Repeats a step until the end, with pauses; what a step throws is nobody's expectation. */
  #client(member: Member, step: () => Promise<void>, pauseMs: number): void {
    const { clock } = member.process.ports;
    const run = async (): Promise<void> => {
      while (!this.#quiet) {
        await step();
        await new Promise<void>((resolve) => void clock.timer(1 + this.below(pauseMs), resolve));
      }
    };
    run().catch((error: unknown) => this.failures.push(`a client of ${member.process.name} failed: ${(error as Error).stack}`));
  }

  async #consume(member: Member, group: string): Promise<void> {
    const { clock } = member.process.ports;
    await member.broker?.subscribe(
      { topic, group, metadata: {} },
      {
        concurrency: 8,
        deliver: async ({ data }) => {
          const [key, number] = Buffer.from(data).toString().split(' ') as [string, string];
          this.#note(`${group} ${key} ${number}`);
          this.history.delivered(group, key, Number(number));
          await new Promise<void>((resolve) => void clock.timer(this.below(6), resolve));
          return this.below(50) === 0 ? 'retry' : 'ack';
        },
      },
    );
  }

  async #stateStep(member: Member): Promise<void> {
    const key = stateKeys[this.below(stateKeys.length)] as string;
    const kind = this.below(3);
    if (kind === 0) return void (await this.#read(member, key));
    const value = `v${++this.#values}`;
    if (kind === 1) {
      await this.history.operation(key, { kind: 'write', value }, () => this.#write(member, key, { value }));
      return;
    }
    const seen = await this.#read(member, key);
    if (seen === undefined) return;
    const from = seen.value;
    await this.history.operation(key, { kind: 'change', from, to: value }, () => this.#write(member, key, { value, etag: seen.etag }));
  }

  /** Many reads of one key and now and then a write. */
  async #hotStep(member: Member): Promise<void> {
    const { clock } = member.process.ports;
    for (let reads = 4 + this.below(8); reads > 0; reads--) {
      await this.#read(member, hotKey);
      await new Promise<void>((resolve) => void clock.timer(1 + this.below(4), resolve));
    }
    if (this.below(4) > 0) return;
    const value = `v${++this.#values}`;
    await this.history.operation(hotKey, { kind: 'write', value }, () => this.#write(member, hotKey, { value }));
  }

  async #read(member: Member, key: string): Promise<{ value: string | undefined; etag: string } | undefined> {
    const found = await this.history.operation(key, { kind: 'read' }, async () => {
      try {
        const known = member.state?.peek?.(key);
        if (known !== undefined && member.engine?.owner === false) this.keptReads++;
        const entry = known ?? (await member.state?.get({ key }));
        return { value: entry === undefined ? undefined : Buffer.from(entry.data).toString(), etag: entry?.etag ?? '' };
      } catch {
        return undefined;
      }
    });
    return found as { value: string | undefined; etag: string } | undefined;
  }

  async #write(member: Member, key: string, { value, etag }: { value: string; etag?: string }) {
    const guard = etag === undefined ? {} : etag === '' ? { concurrency: 'first-write' as const } : { etag };
    try {
      await member.state?.set({ key, data: Buffer.from(value), ...guard });
      this.#note(`wrote ${value}`);
      return { changed: true };
    } catch (error) {
      return isEtagError(error) ? { changed: false } : undefined;
    }
  }

  async #append(member: Member): Promise<void> {
    const text = `entry-${++this.#values}`;
    const result = await member.engine?.commit({ append: [{ log, entries: [{ data: Buffer.from(text) }] }] }).catch(() => undefined);
    if (result?.status === 'done') this.history.appended(result.sequences[0] as number, text);
  }

  async #readLog(member: Member): Promise<void> {
    const after = this.below(20);
    const page = await member.engine?.readLog(log, after, 50).catch(() => undefined);
    this.history.readLog(
      after,
      (page?.entries ?? []).map(({ sequence, data }) => ({ sequence, text: Buffer.from(data).toString() })),
    );
  }

  async #publish(member: Member, key: string): Promise<void> {
    const number = ++this.#eventNumber;
    this.history.sending(key, number);
    try {
      await member.broker?.publish({ topic, data: Buffer.from(`${key} ${number}`), metadata: { partitionKey: key } });
      this.history.published(key, number);
    } catch {
      // Whether it is in the topic is not known; it may be delivered.
    }
  }

  #note(text: string): void {
    this.machine.time.note(text);
  }
}
