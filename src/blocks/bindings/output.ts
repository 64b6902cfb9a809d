import { derive, type Call } from '../../kernel/call.ts';
import { valueOf } from '../../kernel/context.ts';
import { ProaError } from '../../kernel/errors.ts';
import { traceKey } from '../../kernel/trace-context.ts';
import type { BindingRequest, BindingResponse } from '../../contracts/binding.ts';
import type { BlockContext } from '../../contracts/block-context.ts';
import { nearestOf, type Component, type ComponentSet } from '../../contracts/component-set.ts';
import { governedServices } from '../../contracts/governed-services.ts';
import type { Metadata } from '../../contracts/state.ts';
import type { BindingsBlock } from './index.ts';
import { serves } from './direction.ts';

/** The output side: finds the component, checks the operation, adds the caller's trace, and gives failures their code. */
export function createOutput(context: BlockContext, bindings: ComponentSet<'bindings'>): BindingsBlock['invoke'] {
  const service = governedServices<'bindings', BindingRequest, BindingResponse>({
    govern: context.govern,
    block: 'bindings',
    direction: 'outbound',
    serve: (component) => (call) => invokeDriver(component, call),
  });
  return async (call) => {
    const { name, operation, data, metadata } = call.input;
    if (operation === '') throw failed(name, new Error('operation field is missing from request'));
    const component = bindings.get(name);
    if (component === undefined || !serves(component, 'output')) throw unknown(name, bindings);
    const operations = component.driver.output?.operations ?? [];
    if (!operations.includes(operation)) {
      const supported = operations.join(' ');
      throw failed(name, new Error(`binding ${name} does not support operation ${operation}. supported operations:${supported}`));
    }
    return service(component, operation)(derive(call, { input: { operation, data, metadata: withTrace(call, metadata) } }));
  };
}

async function invokeDriver(component: Component<'bindings'>, call: Call<BindingRequest>): Promise<BindingResponse> {
  try {
    return (await component.driver.output?.invoke(call.input, call.cancel)) ?? {};
  } catch (cause) {
    throw failed(component.name, cause);
  }
}

// The runtime's view of the trace replaces what the caller wrote under these names.
function withTrace(call: Call<unknown>, metadata: Metadata): Metadata {
  const { traceparent, tracestate, baggage } = valueOf(call.context, traceKey);
  if (traceparent === '' && baggage === '') return metadata;
  return {
    ...metadata,
    ...(traceparent !== '' && { traceparent }),
    ...(traceparent !== '' && tracestate !== '' && { tracestate }),
    ...(baggage !== '' && { baggage }),
  };
}

function failed(name: string, cause: unknown, hint: { readonly hint?: string } = {}): ProaError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new ProaError('binding.failed', `error invoking output binding ${name}: ${message}`, { cause, ...hint });
}

function unknown(name: string, bindings: ComponentSet<'bindings'>): ProaError {
  const outputs = bindings.list().filter((each) => serves(each, 'output'));
  return failed(name, new Error(`couldn't find output binding ${name}`), nearestOf(name, outputs));
}

/** Response metadata that a failed invocation still carries (statuses of an HTTP target): fronts send it beside the error. */
export function failureMetadata(error: unknown): Metadata | undefined {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error) || !('metadata' in cause)) return undefined;
  return cause.metadata as Metadata;
}
