import type { DriverContext } from '../../contracts/driver.ts';
import type { Cancellation } from '../../kernel/cancel.ts';
import { ProaError } from '../../kernel/errors.ts';
import { createGrpcClient, type ClientStream, type MethodCodec } from '../../wire/grpc/client.ts';
import { http2Transport } from '../../wire/http2/transport.ts';

// Components may answer with many values at once; what they are asked for is bounded by the API's own limits.
const messageBytesMax = 64 * 1024 * 1024;
const callTimeoutMs = 60_000;

export interface LinkCallOptions {
  readonly timeoutMs?: number;
  readonly cancel?: Cancellation;
}

/** The connection of one configured component to the process that serves it. */
export interface ComponentLink {
  /** One message there and back, within 60 s. Fails with a `ProaError` of the status. */
  call<I, O>(method: MethodCodec<I, O>, request: I, options?: LinkCallOptions): Promise<O>;
  stream<I, O>(method: MethodCodec<I, O>): Promise<ClientStream<I, O>>;
  close(): Promise<void>;
}

/** Connects at the first call. Every call names the component, because one process may serve several over one socket. */
export function openLink(socket: string, { ports, name }: DriverContext): ComponentLink {
  const { clock, random } = ports;
  const client = createGrpcClient({ clock, random, transport: http2Transport(ports), address: { path: socket }, messageBytesMax });
  const metadata = ['x-component-instance', name];
  let closed = false;
  const check = (): void => {
    if (closed) throw new ProaError('unavailable', `component "${name}" is closed`);
  };
  return {
    async call(method, request, { timeoutMs = callTimeoutMs, cancel } = {}) {
      check();
      const deadlineMs = clock.mono() + timeoutMs;
      return client.unary(method, request, { metadata, deadlineMs, ...(cancel === undefined ? {} : { cancel }) });
    },
    async stream(method) {
      check();
      return client.stream(method, { metadata });
    },
    async close() {
      closed = true;
      client.close();
    },
  };
}

/** True when the peer does not serve the method. */
export function isUnimplemented(error: unknown): boolean {
  return ProaError.from(error).code === 'unimplemented';
}

/** Opens with `start` and gives the connection back when that fails. */
export async function openOver<T>(link: ComponentLink, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    await link.close();
    throw error;
  }
}
