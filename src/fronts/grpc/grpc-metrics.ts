import type { Counter, FrontMetricsSource, Histogram } from '../../blocks/runtime/index.ts';
import { labelNames, metricNames } from '../../kernel/names.ts';

/** One gRPC call that ended. Bytes are those of its messages, all together, without frames. */
export interface MeasuredCall {
  /** `/package.Service/Method`, in one piece: it is kept. */
  readonly method: string;
  readonly code: string;
  readonly tookMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Dapr's metrics of one side of gRPC (reference 14.2), resolved per method and status the first time they occur. */
export interface GrpcMetrics {
  record(call: MeasuredCall): void;
}

interface Names {
  readonly completed: string;
  readonly latency: string;
  readonly sentBytes: string;
  readonly receivedBytes: string;
  readonly methodLabel: string;
  readonly statusLabel: string;
}

interface Sizes {
  readonly sent: Histogram;
  readonly received: Histogram;
}

interface Series {
  readonly completed: Counter;
  readonly latency: Histogram;
}

/** What the gRPC API answers. */
export function createServerMetrics(metrics: FrontMetricsSource): GrpcMetrics {
  return createGrpcMetrics(metrics, {
    completed: metricNames.grpcServerCompleted,
    latency: metricNames.grpcServerLatency,
    sentBytes: metricNames.grpcServerSentBytes,
    receivedBytes: metricNames.grpcServerReceivedBytes,
    methodLabel: labelNames.grpcServerMethod,
    statusLabel: labelNames.grpcServerStatus,
  });
}

/** What a gRPC app answers. */
export function createClientMetrics(metrics: FrontMetricsSource): GrpcMetrics {
  return createGrpcMetrics(metrics, {
    completed: metricNames.grpcClientCompleted,
    latency: metricNames.grpcClientLatency,
    sentBytes: metricNames.grpcClientSentBytes,
    receivedBytes: metricNames.grpcClientReceivedBytes,
    methodLabel: labelNames.grpcClientMethod,
    statusLabel: labelNames.grpcClientStatus,
  });
}

// Methods come from tables of ours; the limit is for those of proxied calls, whose callers make them up.
const methodsMax = 1_024;

function createGrpcMetrics(metrics: FrontMetricsSource, names: Names): GrpcMetrics {
  const methods = new Map<string, { readonly sizes: Sizes; readonly byCode: Map<string, Series> }>();
  const resolve = (method: string): { readonly sizes: Sizes; readonly byCode: Map<string, Series> } => {
    const labels = { [names.methodLabel]: method };
    const sizes = { sent: metrics.histogram(names.sentBytes, labels), received: metrics.histogram(names.receivedBytes, labels) };
    const made = { sizes, byCode: new Map<string, Series>() };
    // The text itself: it is found again by its address.
    if (methods.size < methodsMax) methods.set(method, made);
    return made;
  };
  return {
    record({ method, code, tookMs, sentBytes, receivedBytes }) {
      const { sizes, byCode } = methods.get(method) ?? resolve(method);
      let series = byCode.get(code);
      if (series === undefined) {
        const labels = { [names.methodLabel]: method, [names.statusLabel]: code };
        series = { completed: metrics.counter(names.completed, labels), latency: metrics.histogram(names.latency, labels) };
        byCode.set(code, series);
      }
      series.completed.add(1);
      series.latency.record(tookMs);
      sizes.sent.record(sentBytes);
      sizes.received.record(receivedBytes);
    },
  };
}
