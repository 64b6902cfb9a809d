import { afterEach, describe, expect, it } from 'vitest';
import { neverCancelled } from '../kernel/cancel.ts';
import type { BindingEvent, InputBinding, OutputBinding } from '../contracts/binding.ts';

/** A binding with a way to close it. */
export interface OpenBinding {
  readonly input?: InputBinding;
  readonly output?: OutputBinding;
  close(): Promise<void>;
}

export interface BindingSuiteOptions {
  readonly name: string;
  readonly open: () => Promise<OpenBinding>;
  /** For output bindings: an operation and its data that succeed on a fresh binding. */
  readonly example?: { readonly operation: string; readonly data: string; readonly metadata: Readonly<Record<string, string>> };
  /** For input bindings: makes one event arrive. */
  readonly cause?: () => Promise<void> | void;
}

/** The contract of bindings. */
export function bindingSuite(options: BindingSuiteOptions): void {
  describe(`binding: ${options.name}`, () => {
    const opened: OpenBinding[] = [];
    const open = async (): Promise<OpenBinding> => {
      const binding = await options.open();
      opened.push(binding);
      return binding;
    };
    afterEach(async () => {
      for (const binding of opened.splice(0)) await binding.close();
    });
    const { example, cause } = options;
    if (example !== undefined) outputCases(open, example);
    if (cause !== undefined) inputCases(open, cause);

    it('closes twice without harm', async () => {
      const binding = await options.open();
      await binding.close();
      await binding.close();
    });
  });
}

function outputCases(open: () => Promise<OpenBinding>, example: NonNullable<BindingSuiteOptions['example']>): void {
  const invoke = async (operation: string) => {
    const { output } = await open();
    return output?.invoke({ operation, data: Buffer.from(example.data), metadata: example.metadata }, neverCancelled);
  };

  it('names its operations, each once', async () => {
    const operations = (await open()).output?.operations ?? [];
    expect(operations).toContain(example.operation);
    expect(new Set(operations).size).toBe(operations.length);
  });

  it('answers an operation that it names', async () => {
    expect(await invoke(example.operation)).toBeTypeOf('object');
  });

  it.each(['', 'no-such-operation', 'constructor', '__proto__'])('rejects operation "%s", which it does not name', async (operation) => {
    await expect(invoke(operation)).rejects.toThrow(/operation/);
  });
}

function inputCases(open: () => Promise<OpenBinding>, cause: () => Promise<void> | void): void {
  it('delivers events while it is read, survives a failing handler, and delivers none after it stopped', async () => {
    const { input } = await open();
    const events: BindingEvent[] = [];
    const stop = await input?.read((event) => {
      events.push(event);
      return Promise.reject(new Error('the app failed'));
    });
    await cause();
    expect(events.length).toBeGreaterThan(0);
    await stop?.();
    const before = events.length;
    await cause();
    expect(events).toHaveLength(before);
  });

  it('waits for deliveries under way when it stops', async () => {
    const { input } = await open();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const stop = await input?.read(() => gate.then(() => ({})));
    await cause();
    let stopped = false;
    const stopping = stop?.().then(() => (stopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(stopped).toBe(false);
    release();
    await stopping;
    expect(stopped).toBe(true);
  });
}
