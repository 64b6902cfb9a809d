import type { ActiveSpan } from '../../blocks/runtime/index.ts';
import type { Operation } from '../../kernel/call.ts';
import { spanAttributes } from '../../kernel/names.ts';
import type { ServerCall } from '../../wire/grpc/method.ts';
import { describeHeaders, describeInvocation, describeTarget } from '../http/span-attributes.ts';

/** What inputs of blocks say of whom they are about. */
interface Telling {
  readonly store?: string;
  readonly name?: string;
  readonly topic?: string;
  readonly appId?: string;
  readonly path?: string;
}

/** What a call of the gRPC API asks of a block. */
export interface DescribedCall {
  readonly operation: Operation;
  readonly input: unknown;
}

/** Says on a sampled span what a call of the gRPC API was about (Dapr reference 14.4). */
export function describeCall(span: ActiveSpan, call: Pick<ServerCall, 'path' | 'metadata'>, { operation, input }: DescribedCall): void {
  const { path } = call;
  span.set(spanAttributes.protocol, 'grpc');
  span.set(spanAttributes.api, path);
  span.set(spanAttributes.rpcSystem, 'grpc');
  describeHeaders(span, call.metadata);
  const told = input as Telling;
  if (operation.block === 'invoke') {
    describeInvocation(span, told.appId ?? '', told.path ?? '');
    return;
  }
  span.set(spanAttributes.rpcService, 'Dapr');
  describeTarget(span, {
    block: operation.block,
    name: told.store ?? told.name ?? '',
    topic: told.topic ?? '',
    statement: path,
  });
}
