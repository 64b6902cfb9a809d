import { readTraceparent, type TraceContext } from '../../kernel/trace-context.ts';
import { headerValue } from '../../wire/grpc/metadata.ts';
import type { HeaderList } from '../../wire/http2/http2.ts';
import { perList } from '../../wire/http2/stable-headers.ts';
import { fromTraceBin } from './trace-bin.ts';

/** What the metadata of a call say to the runtime. */
export interface CallHead {
  /** `dapr-api-token` */
  readonly token: string | undefined;
  /** The app that a call of an unknown service is for: `dapr-app-id`, older `dapr-callee-app-id`. Empty without one. */
  readonly target: string;
  /** `traceparent`, else `grpc-trace-bin` (OpenCensus's binary form); with `tracestate` and `baggage`. */
  readonly trace: TraceContext;
}

/** Reads the metadata of a call, once while they repeat. */
export const callHead = perList((metadata: HeaderList): CallHead => ({
  token: headerValue(metadata, 'dapr-api-token'),
  target: headerValue(metadata, 'dapr-app-id') ?? headerValue(metadata, 'dapr-callee-app-id') ?? '',
  trace: incomingTrace(metadata),
}));

function incomingTrace(metadata: HeaderList): TraceContext {
  const text = readTraceparent(headerValue(metadata, 'traceparent') ?? '');
  const traceparent = text === '' ? fromTraceBin(headerValue(metadata, 'grpc-trace-bin')) : text;
  return { traceparent, tracestate: headerValue(metadata, 'tracestate') ?? '', baggage: headerValue(metadata, 'baggage') ?? '' };
}
