import type { CancelScope } from '../../kernel/cancel.ts';
import { createCall, type Call, type Operation } from '../../kernel/call.ts';
import { emptyContext, withValue } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { limits } from '../../kernel/limits.ts';
import { logFields } from '../../kernel/names.ts';
import type { Service } from '../../kernel/service.ts';
import { isTraceparent, traceKey } from '../../kernel/trace-context.ts';
import type { AppBindingAnswer, AppChannel } from '../../contracts/app-channel.ts';
import type { BindingEvent, BindingResponse } from '../../contracts/binding.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import type { Component } from '../../contracts/component-set.ts';
import { governedServices } from '../../contracts/governed-services.ts';
import type { Metadata } from '../../contracts/state.ts';
import type { BindingsBlock } from './index.ts';
import { routeOf } from './direction.ts';

/** Saves what an app's answer asks for; the state block's `save`, which prefixes and checks the keys, fits. */
export type SaveState = Service<
  {
    readonly store: string;
    readonly items: readonly { readonly key: string; readonly value: Uint8Array; readonly etag?: string; readonly metadata: Metadata }[];
  },
  void
>;

export interface DeliveryDeps {
  readonly channel: () => AppChannel | undefined;
  readonly saveState: SaveState;
  readonly invoke: BindingsBlock['invoke'];
}

type NamedEvent = BindingEvent & { readonly name: string; readonly route: string };

const deliverOperation: Operation = { block: 'bindings', name: 'deliver', idempotent: false };
const saveOperation: Operation = { block: 'state', name: 'save', idempotent: false };
const forwardOperation: Operation = { block: 'bindings', name: 'create', idempotent: false };

/** Takes events to the app and does what its answers ask for. */
export interface Delivery {
  deliver(component: Component<'bindings'>, event: BindingEvent, cancel: CancelScope): Promise<BindingResponse>;
}

/** Failures of the app reject, so that the driver can redeliver; failures of what its answer asked for are logged, as the event itself was handled. */
export function createDelivery(context: BlockContext, deps: DeliveryDeps): Delivery {
  const log = context.log.scoped('proa.bindings');
  const caller = { appId: context.appId, namespace: context.namespace };
  const service = governedServices<'bindings', NamedEvent, AppBindingAnswer>({
    govern: context.govern,
    block: 'bindings',
    direction: 'inbound',
    serve: () => (call: Call<NamedEvent>) => {
      const channel = deps.channel();
      if (channel === undefined) return Promise.reject(new ProaError('app-channel-nil', 'no application is connected'));
      return channel.binding(call);
    },
  });

  const forward = async (to: string, data: Uint8Array, cancel: CancelScope): Promise<void> => {
    const call = createCall(forwardOperation, { name: to, operation: 'create', data, metadata: {} }, { caller, cancel });
    await ended(call, deps.invoke(call));
  };

  const obey = async (name: string, answer: AppBindingAnswer, cancel: CancelScope): Promise<void> => {
    if (answer.state !== undefined && answer.state.length > 0) {
      if (answer.storeName === undefined || answer.storeName === '') throw new Error('the answer holds state but no storeName');
      const items = answer.state.map((item) => ({ ...item, metadata: item.metadata ?? {} }));
      const call = createCall(saveOperation, { store: answer.storeName, items }, { caller, cancel });
      await ended(call, deps.saveState(call));
    }
    const targets = answer.to ?? [];
    if (targets.length > limits.metadataEntries) throw new Error(`the answer names more than ${limits.metadataEntries} output bindings`);
    const data = answer.data ?? new Uint8Array(0);
    if (answer.concurrency === 'parallel') {
      const results = await Promise.allSettled(targets.map((to) => forward(to, data, cancel)));
      for (const result of results) if (result.status === 'rejected') logFailure(name, result.reason);
      return;
    }
    for (const to of targets) await forward(to, data, cancel);
  };

  const logFailure = (name: string, error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    log.error('what the app asked for after a binding event failed', { [logFields.component]: name, [logFields.error]: text });
  };

  return {
    async deliver(component, event, cancel) {
      const { name } = component;
      const input = { ...event, name, route: routeOf(component) };
      const call = createCall(deliverOperation, input, { caller, cancel, context: traceOf(event) });
      const answer = await ended(call, service(component, '')(call));
      await obey(name, answer, cancel).catch((error: unknown) => logFailure(name, error));
      const { data, contentType, metadata } = answer;
      return {
        ...(data !== undefined && { data }),
        ...(contentType !== undefined && { contentType }),
        ...(metadata !== undefined && { metadata }),
      };
    },
  };
}

async function ended<Out>(call: Call<unknown>, result: Promise<Out>): Promise<Out> {
  try {
    const value = await result;
    call.end.fire({ ok: true });
    return value;
  } catch (error) {
    call.end.fire({ ok: false, error });
    throw error;
  }
}

function traceOf(event: BindingEvent) {
  const { traceparent = '', tracestate = '', baggage = '' } = event.metadata;
  if (!isTraceparent(traceparent)) return emptyContext;
  const usable = Buffer.byteLength(tracestate) <= limits.tracestateBytes ? tracestate : '';
  return withValue(emptyContext, traceKey, { traceparent, tracestate: usable, baggage });
}
