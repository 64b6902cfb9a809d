import { CancelScope } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { BindingEvent, BindingResponse } from '../../contracts/binding.ts';
import type { Component } from '../../contracts/component-set.ts';
import type { Delivery } from './delivery.ts';

interface Reader {
  readonly underWay: Set<CancelScope>;
  stopping: boolean;
  stop: (() => Promise<void>) | undefined;
}

export interface ReadersOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly delivery: Delivery;
}

/** The input bindings that are being read, one reader per component. */
export class Readers {
  readonly #options: ReadersOptions;
  readonly #readers = new Map<string, Reader>();

  constructor(options: ReadersOptions) {
    this.#options = options;
  }

  names(): readonly string[] {
    return [...this.#readers.keys()];
  }

  /** Starts one that is not being read; a driver that cannot start is logged and leaves the others alone. */
  async start(component: Component<'bindings'>): Promise<void> {
    const { log } = this.#options;
    const { input } = component.driver;
    if (input === undefined || this.#readers.has(component.name)) return;
    const reader: Reader = { underWay: new Set(), stopping: false, stop: undefined };
    const fields = { [logFields.component]: component.name, [logFields.type]: component.type };
    this.#readers.set(component.name, reader);
    try {
      reader.stop = await input.read((event) => this.#deliver(component, reader, event));
      log.info('reading from the input binding', fields);
    } catch (error) {
      this.#readers.delete(component.name);
      log.error('the input binding cannot be read', { ...fields, [logFields.error]: (error as Error).message });
    }
  }

  /** Stops some: events under way may finish within `graceMs`, then they are cancelled. New events are refused at once. */
  async stop(names: readonly string[], graceMs: number): Promise<void> {
    await Promise.all(names.map((name) => this.#stopOne(name, graceMs)));
  }

  async #deliver(component: Component<'bindings'>, reader: Reader, event: BindingEvent): Promise<BindingResponse> {
    if (reader.stopping) throw new ProaError('unavailable', `binding ${component.name} is stopping`);
    const scope = new CancelScope();
    reader.underWay.add(scope);
    try {
      return await this.#options.delivery.deliver(component, event, scope);
    } finally {
      reader.underWay.delete(scope);
    }
  }

  async #stopOne(name: string, graceMs: number): Promise<void> {
    const reader = this.#readers.get(name);
    if (reader === undefined) return;
    this.#readers.delete(name);
    reader.stopping = true;
    const timer = this.#options.clock.timer(graceMs, () => {
      for (const scope of reader.underWay) scope.cancel(new ProaError('cancelled', `binding ${name} had to stop`));
    });
    try {
      await reader.stop?.();
    } catch (error) {
      const fields = { [logFields.component]: name, [logFields.error]: (error as Error).message };
      this.#options.log.warn('the input binding did not stop cleanly', fields);
    } finally {
      timer.cancel();
    }
  }
}
