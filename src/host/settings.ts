import { defaultOrigin, type Setting } from '../kernel/origin.ts';
import { placementTtl } from '../kernel/placement-ttl.ts';
import type { ProcessPort } from '../kernel/ports.ts';
import type { AppSpec } from './host-api.ts';

type Value = Setting['value'];

/** Every setting of an app by the name of its flag. */
const settingsTable: Readonly<Record<string, (spec: AppSpec) => Value | undefined>> = {
  'app-id': ({ id }) => id,
  namespace: ({ namespace }) => namespace,
  'app-port': ({ appPort }) => appPort,
  'app-protocol': ({ appProtocol }) => appProtocol,
  'app-channel-address': ({ appChannelAddress }) => appChannelAddress,
  'app-max-concurrency': ({ appMaxConcurrency }) => appMaxConcurrency ?? -1,
  'enable-app-health-check': ({ appHealth }) => appHealth !== undefined,
  'app-health-check-path': ({ appHealth }) => appHealth?.path,
  'app-health-probe-interval': ({ appHealth }) => appHealth && `${appHealth.intervalMs}ms`,
  'app-health-probe-timeout': ({ appHealth }) => appHealth && `${appHealth.timeoutMs}ms`,
  'app-health-threshold': ({ appHealth }) => appHealth?.threshold,
  'dapr-listen-addresses': ({ listenAddresses }) => (listenAddresses.length === 0 ? ['127.0.0.1'] : listenAddresses),
  'dapr-http-port': ({ httpPort }) => httpPort,
  'dapr-grpc-port': ({ grpcPort }) => grpcPort,
  'dapr-internal-grpc-port': ({ internalGrpcPort }) => internalGrpcPort,
  'dapr-public-port': ({ publicPort }) => publicPort,
  'unix-domain-socket': ({ unixSocketDirectory }) => unixSocketDirectory,
  'enable-metrics': ({ metrics }) => metrics !== undefined,
  'metrics-port': ({ metrics }) => metrics?.port,
  'allowed-origins': ({ allowedOrigins }) => allowedOrigins,
  'max-body-size': ({ bodyBytesMax }) => bodyBytesMax,
  'read-buffer-size': ({ headerBytesMax }) => headerBytesMax,
  'resources-path': ({ resourcePaths }) => resourcePaths,
  config: ({ configPaths }) => configPaths,
  'enable-api-logging': ({ apiLogging }) => apiLogging,
  'placement-ttl': ({ placementTtlMs }) => `${placementTtlMs ?? placementTtl.usualMs}ms`,
  'enable-mtls': ({ mtls }) => mtls,
};

/** Variables that a runtime reads by itself; of some nobody may see the value. */
const variables = [
  'DAPR_HOST_IP',
  'DAPR_HTTP_DISABLE_H2C',
  'PROA_ZONE',
  'PROA_APP_VERSION',
  'PROA_EGRESS_DENY',
  'PROA_EGRESS_ALLOW',
  'OTEL_SERVICE_NAME',
  'OTEL_RESOURCE_ATTRIBUTES',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
  'OTEL_EXPORTER_OTLP_INSECURE',
  'OTEL_EXPORTER_OTLP_TIMEOUT',
  'DAPR_COMPONENTS_SOCKETS_FOLDER',
  'DAPR_ENV_KEYS',
];
const hidden = ['DAPR_API_TOKEN', 'APP_API_TOKEN', 'OTEL_EXPORTER_OTLP_HEADERS', 'PROA_ENGINE'];

/** The settings of an app with where each came from: a flag, the environment, a run file, or the built-in default. */
export function settingsOf(spec: AppSpec, system: Pick<ProcessPort, 'env'>): Setting[] {
  const own = Object.entries(settingsTable).flatMap(([name, read]): Setting[] => {
    const value = read(spec);
    return value === undefined ? [] : [{ name, value, origin: spec.origins?.[name] ?? defaultOrigin }];
  });
  const ofEnvironment =
    (shown: boolean) =>
    (name: string): Setting[] => {
      const value = system.env(name);
      if (value === undefined || value === '') return [];
      return [{ name, value: shown ? value.replace(/\/\/[^/\s@]*@/g, '//***@') : '***', origin: { from: 'environment', name } }];
    };
  return [...own, ...variables.flatMap(ofEnvironment(true)), ...hidden.flatMap(ofEnvironment(false))];
}
