import { ProaError } from '../../kernel/errors.ts';
import { logFields } from '../../kernel/names.ts';
import type { AppChannel } from '../../contracts/app-channel.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component, ComponentSet } from '../../contracts/component-set.ts';
import type { BindingsBlock } from './index.ts';
import { createDelivery, type SaveState } from './delivery.ts';
import { declaresInput, routeOf, serves } from './direction.ts';
import { createOutput } from './output.ts';
import { Readers } from './readers.ts';

export interface BindingsBlockDeps {
  readonly bindings: ComponentSet<'bindings'>;
  readonly channel: () => AppChannel | undefined;
  readonly saveState: SaveState;
  /** How long the app may take to say which bindings it wants (default 5 s). */
  readonly probeTimeoutMs?: number;
  /** How long events under way may take when a component is taken out or the block is closed (default 5 s). */
  readonly graceMs?: number;
}

/**
 * Bindings of one app. Input bindings whose YAML says `input` are read without asking; for the others the app is asked once, when reading starts or the
 * component is added. Starting, pausing and reloads happen one after another.
 */
export function createBindingsBlock(context: BlockContext, deps: BindingsBlockDeps): BindingsBlock {
  const { bindings, channel, probeTimeoutMs = 5_000, graceMs = 5_000 } = deps;
  const log = context.log.scoped('proa.bindings');
  const invoke = createOutput(context, bindings);
  const delivery = createDelivery(context, { channel, saveState: deps.saveState, invoke });
  const readers = new Readers({ clock: context.ports.clock, log, delivery });
  let reading = false;
  let last: Promise<void> = Promise.resolve();

  const inTurn = (step: () => Promise<void>): Promise<void> => {
    const done = last.then(step);
    last = done.catch(() => {});
    return done;
  };

  const startSome = async (components: readonly Component<'bindings'>[]): Promise<void> => {
    const inputs = components.filter((component) => serves(component, 'input'));
    if (inputs.length === 0) return;
    const app = channel();
    if (app === undefined) throw new ProaError('app-channel-nil', 'input bindings cannot be read: no application is connected');
    for (const component of inputs.filter(declaresInput)) await readers.start(component);
    const open = inputs.filter((component) => !declaresInput(component));
    if (open.length === 0) return;
    const routes = new Map(open.map((component) => [component.name, routeOf(component)]));
    const wanted = await app.inputBindings(routes, probeTimeoutMs);
    for (const component of open) {
      if (wanted.has(component.name)) await readers.start(component);
      else log.info('the app does not want events of this binding', { [logFields.component]: component.name });
    }
  };

  const unlisten = bindings.onChange((change) =>
    inTurn(async () => {
      await readers.stop(change.removed, graceMs);
      if (!reading) return;
      const added = change.added.map((name) => bindings.get(name)).filter((component) => component !== undefined);
      await startSome(added).catch((error: unknown) => {
        log.error('added input bindings cannot be read', { [logFields.error]: (error as Error).message });
      });
    }),
  );

  return {
    invoke,
    start: () =>
      inTurn(async () => {
        reading = true;
        await startSome(bindings.list());
      }),
    pause: (pauseGraceMs) =>
      inTurn(async () => {
        reading = false;
        await readers.stop(readers.names(), pauseGraceMs);
      }),
    async close() {
      unlisten();
      await inTurn(async () => {
        reading = false;
        await readers.stop(readers.names(), graceMs);
      });
    },
  };
}
