import { ProaError } from '../kernel/errors.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import type { ClientCallOptions } from '../wire/grpc/client-call.ts';
import { createGrpcClient, type ClientStream, type MethodCodec } from '../wire/grpc/client.ts';
import type { GrpcStatus } from '../wire/grpc/status.ts';
import { http2Transport } from '../wire/http2/transport.ts';
import type { Asking } from './operations.ts';

export interface GrpcLinkOptions {
  readonly ports: Pick<Ports, 'clock' | 'random' | 'network' | 'process'>;
  readonly address: Address;
  /** `DAPR_API_TOKEN`; absent: none is sent. */
  readonly apiToken?: string;
  readonly messageBytesMax: number;
}

type Hooks = Pick<ClientCallOptions, 'onHeaders' | 'onStatus'> & { readonly metadata?: readonly string[] };

/** A connection to a runtime's gRPC API, opened by the first call. */
export interface GrpcLink {
  unary<I, O>(codec: MethodCodec<I, O>, request: I, asking: Asking, hooks?: Hooks): Promise<O>;
  stream<I, O>(codec: MethodCodec<I, O>, asking: Asking): Promise<ClientStream<I, O>>;
  readonly clock: Ports['clock'];
  /** What ends with the link, such as streams that are open. */
  own(close: () => Promise<void>): () => void;
  close(): Promise<void>;
}

/** Makes one; nothing is connected yet. */
export function createGrpcLink({ ports, address, apiToken, messageBytesMax }: GrpcLinkOptions): GrpcLink {
  const { clock, random } = ports;
  const client = createGrpcClient({ clock, random, transport: http2Transport(ports), address, messageBytesMax });
  const token = apiToken === undefined || apiToken === '' ? [] : ['dapr-api-token', apiToken];
  const owned = new Set<() => Promise<void>>();
  const options = ({ cancel, deadlineMs, traceparent }: Asking, { metadata = [], ...hooks }: Hooks): ClientCallOptions => ({
    cancel,
    ...(deadlineMs !== Infinity && { deadlineMs }),
    metadata: [...token, ...(traceparent === '' ? [] : ['traceparent', traceparent]), ...metadata],
    ...hooks,
  });
  return {
    clock,
    unary: (codec, request, asking, hooks = {}) => client.unary(codec, request, options(asking, hooks)),
    stream: (codec, asking) => client.stream(codec, options(asking, {})),
    own(close) {
      owned.add(close);
      return () => owned.delete(close);
    },
    async close() {
      await Promise.all([...owned].map((close) => close()));
      client.close();
    },
  };
}

/** A value of the trailing metadata. */
export function grpcStatusOf({ metadata }: GrpcStatus, name: string): string | undefined {
  const at = metadata.findIndex((key, i) => i % 2 === 0 && key === name);
  return at < 0 ? undefined : metadata[at + 1];
}

/** True for a stream that ended because somebody here wanted it to. */
export function endedHere(error: unknown): boolean {
  return ProaError.from(error).code === 'cancelled';
}
