import type { CollectorTarget } from '../telemetry/span-exporter.ts';
import type { TracingConfig } from './config/model.ts';

/** OpenTelemetry's default. */
export const otlpTimeoutMs = 10_000;

type OtlpProtocol = 'http/protobuf' | 'http/json' | 'grpc';

/** Where spans go over OTLP. */
export interface OtlpTarget extends CollectorTarget {
  /** As OpenTelemetry names them; `http/protobuf` unless something else is asked for. */
  readonly protocol: OtlpProtocol;
}

/**
 * What the Configuration and OpenTelemetry's variables (its specification, "OpenTelemetry Protocol Exporter") say; the variables win. Undefined: nowhere.
 * Addresses may lack a scheme; `isSecure` and `OTEL_EXPORTER_OTLP_INSECURE` say then whether TLS is meant. What cannot be an address is none.
 */
export function otlpTarget(otel: TracingConfig['otel'], env: (name: string) => string): OtlpTarget | undefined {
  const traces = env('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  const base = env('OTEL_EXPORTER_OTLP_ENDPOINT');
  const given = traces || base || (otel?.endpointAddress ?? '');
  if (given === '') return undefined;
  const protocol = protocolOf(env('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') || env('OTEL_EXPORTER_OTLP_PROTOCOL'), otel?.protocol ?? 'http');
  const url = addressOf(given, secureOf(env('OTEL_EXPORTER_OTLP_INSECURE'), otel?.isSecure ?? false));
  if (url === undefined) return undefined;
  // The variable for traces names the whole path, the others only where the collector is.
  if (protocol !== 'grpc' && traces === '' && (base !== '' || url.pathname === '/'))
    url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/traces`;
  const headers = { ...otel?.headers, ...pairsOf(env('OTEL_EXPORTER_OTLP_HEADERS')) };
  return {
    protocol,
    url: url.href,
    headers: Object.entries(headers).flatMap(([name, value]) => [name.toLowerCase(), value]),
    timeoutMs: timeoutOf(env('OTEL_EXPORTER_OTLP_TIMEOUT')) ?? otel?.timeoutMs ?? otlpTimeoutMs,
  };
}

/** `name=value` pairs, separated by commas; what is no pair is left out. */
export function pairsOf(text: string): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() !== '') pairs.push([pair.slice(0, at).trim(), pair.slice(at + 1).trim()]);
  }
  return Object.fromEntries(pairs);
}

function protocolOf(text: string, otherwise: 'http' | 'grpc'): OtlpProtocol {
  const wanted = text || otherwise;
  return wanted === 'grpc' || wanted === 'http/json' ? wanted : 'http/protobuf';
}

function secureOf(insecure: string, otherwise: boolean): boolean {
  return insecure === '' ? otherwise : insecure.toLowerCase() !== 'true';
}

function addressOf(given: string, secure: boolean): URL | undefined {
  const whole = /^https?:\/\//.test(given) ? given : `${secure ? 'https' : 'http'}://${given}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  return url === undefined || url.hostname === '' ? undefined : url;
}

function timeoutOf(text: string): number | undefined {
  const ms = Number(text);
  return text !== '' && Number.isInteger(ms) && ms > 0 ? ms : undefined;
}
