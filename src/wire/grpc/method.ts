import {
  create,
  fromBinary,
  toBinary,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import type { Cancellation } from '../../kernel/cancel.ts';
import type { HeaderList } from '../http2/http2.ts';
import type { MessageWriter } from './message-writer.ts';

/** What a handler knows of its call, besides the messages. */
export interface ServerCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** The request's headers as they came; `applicationMetadata` takes what is the application's. */
  readonly metadata: HeaderList;
  /** A `clock.mono()` instant; `Infinity` without a deadline. */
  readonly deadlineMs: number;
  /** Cancelled when the caller gives up, the deadline passes or the connection breaks. */
  readonly cancel: Cancellation;
  /** `host:port` of the caller, empty on Unix sockets. */
  readonly remote: string;
  /** Adds a response header; before the first message only. Fails with `bad-request` for what cannot be on the wire. */
  setHeader(name: string, value: string): void;
  setTrailer(name: string, value: string): void;
  /** Sends the response headers now instead of with the first message. */
  sendHeaders(): void;
}

/** One method that a server answers. `decode` and `encode` may be hand-made; `implement` makes them from descriptors. */
export type Method = MethodBase & MethodShape;

interface MethodBase {
  /** `/package.Service/Method` */
  readonly path: string;
  decode(bytes: Uint8Array): unknown;
  encode(message: unknown): Uint8Array;
}

type MethodShape =
  | { readonly kind: 'unary'; handle(request: unknown, call: ServerCall): Promise<unknown> }
  | { readonly kind: 'server_streaming'; handle(request: unknown, call: ServerCall, out: MessageWriter<unknown>): Promise<void> }
  | { readonly kind: 'client_streaming'; handle(requests: AsyncIterable<unknown>, call: ServerCall): Promise<unknown> }
  | {
      readonly kind: 'bidi_streaming';
      handle(requests: AsyncIterable<unknown>, call: ServerCall, out: MessageWriter<unknown>): Promise<void>;
    };

/** The function that answers a method, by the method's kind. */
export type Handler<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, call: ServerCall) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, call: ServerCall, out: MessageWriter<MessageInitShape<M['output']>>) => Promise<void>
    : M['methodKind'] extends 'client_streaming'
      ? (requests: AsyncIterable<MessageShape<M['input']>>, call: ServerCall) => Promise<MessageInitShape<M['output']>>
      : (
          requests: AsyncIterable<MessageShape<M['input']>>,
          call: ServerCall,
          out: MessageWriter<MessageInitShape<M['output']>>,
        ) => Promise<void>;

/** Handlers of a service; methods without one answer UNIMPLEMENTED. */
export type Handlers<S extends DescService> = { readonly [K in keyof S['method']]?: Handler<S['method'][K]> };

/** The path of a method on the wire. */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** How messages of a method are read and written by hand. */
export interface HandMadeCodec {
  decode(bytes: Uint8Array): unknown;
  encode(message: never): Uint8Array;
}

/** Rows for a server from a generated service and its handlers; `handMade` are codecs that replace generated ones. */
export function implement<S extends DescService>(
  service: S,
  handlers: Handlers<S>,
  handMade: { readonly [K in keyof S['method']]?: HandMadeCodec } = {},
): Method[] {
  const methods: Method[] = [];
  for (const method of service.methods) {
    const handle = (handlers as Readonly<Record<string, unknown>>)[method.localName];
    if (handle === undefined) continue;
    const { input, output } = method;
    // The handler's type was checked against the descriptor by `Handlers`; from here on only the kind matters.
    methods.push({
      path: methodPath(method),
      kind: method.methodKind,
      decode: (bytes: Uint8Array) => fromBinary(input, bytes),
      encode: (message: unknown) => toBinary(output, create(output, message as MessageInitShape<typeof output>)),
      ...(handMade as Readonly<Record<string, HandMadeCodec>>)[method.localName],
      handle,
    } as Method);
  }
  return methods;
}
