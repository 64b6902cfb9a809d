import type { InvokeRequest } from '../contracts/app-channel.ts';
import type { Target } from '../contracts/governance.ts';
import type { Tracer } from '../contracts/tracer.ts';
import { inboundSpan, type InboundSpan } from '../filters/trace/inbound-span.ts';
import { spanAttributes } from '../kernel/names.ts';
import type { Filter } from '../kernel/service.ts';
import { layerFilter, type Layer } from '../kernel/stack.ts';
import type { TraceContext } from '../kernel/trace-context.ts';

/** The layer that gives what reaches an app a span of its own (Dapr reference 14.4); none for other targets. */
export function inboundTrace(tracer: Tracer, target: Target): readonly Layer[] {
  if (target.direction !== 'inbound') return [];
  const filter = filterOf(tracer, target);
  return filter === undefined ? [] : [{ role: 'trace', why: 'the spans of the app hang below that of the delivery', filter }];
}

function filterOf(tracer: Tracer, { block, name, operation }: Target): Filter<never, unknown> | undefined {
  if (block === 'invoke' && operation === 'proxy')
    return layerFilter(
      inboundSpan<ProxyTarget, unknown>({ tracer, kind: 'server', describe: describeProxied, retraced: rewired, decided: true }),
    );
  if (block === 'invoke') return layerFilter(inboundSpan<InvokeRequest, unknown>({ tracer, kind: 'server', describe: describeInvocation }));
  if (block === 'actors' && operation === 'receive')
    return layerFilter(inboundSpan<ActorTarget, unknown>({ tracer, kind: 'server', describe: describeActor }));
  if (block === 'pubsub')
    return layerFilter(inboundSpan<{ readonly topic: string }, unknown>({ tracer, kind: 'consumer', describe: describeEvent }));
  if (block === 'jobs')
    return layerFilter(inboundSpan<{ readonly name: string }, unknown>({ tracer, kind: 'consumer', describe: describeJob }));
  if (block !== 'bindings') return undefined;
  const attributes = [
    [spanAttributes.rpcService, 'Dapr'],
    [spanAttributes.dbSystem, block],
    [spanAttributes.dbName, name],
    [spanAttributes.dbConnectionString, block],
  ] as const;
  return layerFilter(inboundSpan({ tracer, kind: 'consumer', describe: () => ({ name: `bindings/${name}`, attributes }) }));
}

function describeInvocation({ appId, path, httpMethod }: InvokeRequest): InboundSpan {
  return {
    name: `CallLocal/${appId}/${path}`,
    attributes: [
      [spanAttributes.rpcService, 'ServiceInvocation'],
      [spanAttributes.invokeMethod, path],
      [spanAttributes.httpMethod, httpMethod],
    ],
  };
}

/** A proxied gRPC call on its way in; `wire` is the request's headers as the app gets them. */
interface ProxyTarget extends InvokeRequest {
  readonly wire: readonly string[];
}

function describeProxied({ path }: ProxyTarget): InboundSpan {
  return {
    name: `/${path}`,
    attributes: [
      [spanAttributes.rpcSystem, 'grpc'],
      [spanAttributes.rpcService, path.slice(0, path.lastIndexOf('/'))],
      [spanAttributes.invokeMethod, path],
    ],
  };
}

function rewired(input: ProxyTarget, trace: TraceContext): ProxyTarget {
  return { ...input, wire: retracedHeaders(input.wire, trace) };
}

/** A call of an actor on its way in. */
interface ActorTarget extends InvokeRequest {
  readonly type: string;
  readonly id: string;
  readonly method: string;
}

function describeActor({ type, id, method, httpMethod }: ActorTarget): InboundSpan {
  return {
    name: `CallActor/${type}/${method}`,
    attributes: [
      [spanAttributes.rpcService, 'ServiceInvocation'],
      [spanAttributes.actor, `${type}.${id}`],
      [spanAttributes.invokeMethod, method],
      [spanAttributes.httpMethod, httpMethod],
    ],
  };
}

function describeEvent({ topic }: { readonly topic: string }): InboundSpan {
  return {
    name: `pubsub/${topic}`,
    attributes: [
      [spanAttributes.messagingSystem, 'pubsub'],
      [spanAttributes.messagingDestination, topic],
    ],
  };
}

function describeJob({ name }: { readonly name: string }): InboundSpan {
  return {
    name: `job/${name}`,
    attributes: [
      [spanAttributes.rpcService, 'Jobs'],
      [spanAttributes.invokeMethod, `job/${name}`],
    ],
  };
}

// The headers were stamped with the caller's span before they came here.
function retracedHeaders(before: readonly string[], { traceparent }: TraceContext): string[] {
  const headers = [...before];
  const at = headers.findIndex((name, i) => i % 2 === 0 && name === 'traceparent');
  if (at < 0) headers.push('traceparent', traceparent);
  else headers[at + 1] = traceparent;
  return headers;
}
