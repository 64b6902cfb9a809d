import { resolve } from 'node:path';
import type { RunApp } from '../host/config/run-model.ts';
import type { AppSpec, HostSettings } from '../host/host-api.ts';
import type { Origin } from '../kernel/origin.ts';
import { isPlacementTtl } from '../kernel/placement-ttl.ts';
import type { ProcessPort } from '../kernel/ports.ts';
import type { FlagName, FlagValues } from './flags.ts';
import { valueOrDefault, UsageError } from './parse-args.ts';

type Need<Name extends FlagName> = NonNullable<FlagValues[Name]>;

/** The value or the table's default of a flag that has one. */
function sure<Name extends FlagName>(values: FlagValues, name: Name): Need<Name> {
  return valueOrDefault(values, name) as Need<Name>;
}

function healthOf(values: FlagValues): Pick<AppSpec, 'appHealth'> {
  if (values['enable-app-health-check'] !== true) return {};
  // 0 means the default for times; a threshold of 0 is legal and means the first failure.
  const intervalMs = (sure(values, 'app-health-probe-interval') || 5) * 1000;
  const timeoutMs = sure(values, 'app-health-probe-timeout') || 500;
  if (timeoutMs > intervalMs) throw new UsageError('--app-health-probe-timeout must not exceed --app-health-probe-interval');
  const threshold = Math.max(0, sure(values, 'app-health-threshold'));
  return { appHealth: { path: sure(values, 'app-health-check-path'), intervalMs, timeoutMs, threshold } };
}

function bodyBytes(values: FlagValues): number {
  const megabytes = values['dapr-http-max-request-size'];
  if (values['max-body-size'] === undefined && megabytes !== undefined) return megabytes * 1024 * 1024;
  return sure(values, 'max-body-size');
}

function headerBytes(values: FlagValues): number {
  const kilobytes = values['dapr-http-read-buffer-size'];
  if (values['read-buffer-size'] === undefined && kilobytes !== undefined) return kilobytes * 1024;
  return sure(values, 'read-buffer-size');
}

function protocolOf(values: FlagValues): AppSpec['appProtocol'] {
  const protocol = sure(values, 'app-protocol') as AppSpec['appProtocol'];
  if (values['app-ssl'] !== true) return protocol;
  return protocol === 'grpc' ? 'grpcs' : protocol === 'http' ? 'https' : protocol;
}

/** What daprd's flags say about one app, its defaults included. Paths become absolute. */
export function specFromFlags(id: string, values: FlagValues, system: ProcessPort): AppSpec {
  const absolute = (path: string): string => resolve(system.cwd(), path);
  const maxConcurrency = sure(values, 'app-max-concurrency');
  const socket = values['unix-domain-socket'];
  const logging = values['enable-api-logging'];
  const placementTtlMs = values['placement-ttl'];
  if (placementTtlMs !== undefined && !isPlacementTtl(placementTtlMs))
    throw new UsageError('--placement-ttl must be between 300ms and 10m');
  const metrics = sure(values, 'enable-metrics');
  return {
    id,
    namespace: system.env('NAMESPACE') || 'default',
    ...(values['app-port'] && { appPort: values['app-port'] }),
    appProtocol: protocolOf(values),
    appChannelAddress: sure(values, 'app-channel-address'),
    ...(maxConcurrency > 0 && { appMaxConcurrency: maxConcurrency }),
    ...healthOf(values),
    disabledInitEndpoints: values['disable-init-endpoints'] ?? [],
    bindingOptionsTimeoutMs: sure(values, 'app-binding-options-timeout') > 0 ? sure(values, 'app-binding-options-timeout') : 3000,
    listenAddresses: values['dapr-listen-addresses'] ?? [],
    httpPort: sure(values, 'dapr-http-port'),
    grpcPort: sure(values, 'dapr-grpc-port'),
    internalGrpcPort: values['dapr-internal-grpc-port'] ?? 0,
    internalGrpcListenAddress: values['dapr-internal-grpc-listen-address'] ?? '',
    ...(values['dapr-public-port'] !== undefined && { publicPort: values['dapr-public-port'] }),
    publicListenAddress: values['dapr-public-listen-address'] ?? '',
    ...(socket && { unixSocketDirectory: absolute(socket) }),
    ...(metrics && { metrics: { port: sure(values, 'metrics-port'), listenAddress: values['metrics-listen-address'] ?? '' } }),
    ...(values['enable-profiling'] === true && { profilePort: sure(values, 'profile-port') }),
    allowedOrigins: values['allowed-origins'] ?? '',
    bodyBytesMax: bodyBytes(values),
    headerBytesMax: headerBytes(values),
    resourcePaths: [...(values['resources-path'] ?? []), ...(values['components-path'] ?? [])].map(absolute),
    configPaths: (values.config ?? []).map((path) => (path.includes('/') || /\.ya?ml$/i.test(path) ? absolute(path) : path)),
    defaults: 'when-empty',
    reconcileMs: sure(values, 'hot-reload-reconcile-interval') || 60_000,
    ...(placementTtlMs !== undefined && { placementTtlMs }),
    ...(logging !== undefined && { apiLogging: logging }),
    mtls: values['enable-mtls'] === true,
    controlPlaneTrustDomain: values['control-plane-trust-domain'] ?? system.env('DAPR_CONTROLPLANE_TRUST_DOMAIN') ?? 'localhost',
    origins: originsOfFlags(values, system),
  };
}

/** Which settings were given, and how; a deprecated flag stands for the one that took its place. */
function originsOfFlags(values: FlagValues, system: ProcessPort): Record<string, Origin> {
  const origins: Record<string, Origin> = {};
  for (const name of Object.keys(values)) origins[replaced[name] ?? name] = { from: 'flag', name };
  if (system.env('NAMESPACE')) origins['namespace'] = { from: 'environment', name: 'NAMESPACE' };
  return origins;
}

const replaced: Readonly<Record<string, string>> = {
  'app-ssl': 'app-protocol',
  'components-path': 'resources-path',
  'dapr-http-max-request-size': 'max-body-size',
  'dapr-http-read-buffer-size': 'read-buffer-size',
};

/** Which setting a key of a run file sets, by the last part of its path. */
const settingOfKey: Readonly<Record<string, string>> = {
  appID: 'app-id',
  port: 'app-port',
  appPort: 'app-port',
  protocol: 'app-protocol',
  appProtocol: 'app-protocol',
  host: 'app-channel-address',
  appChannelAddress: 'app-channel-address',
  max_concurrency: 'app-max-concurrency',
  appMaxConcurrency: 'app-max-concurrency',
  enableAppHealthCheck: 'enable-app-health-check',
  'health.path': 'app-health-check-path',
  appHealthCheckPath: 'app-health-check-path',
  'health.interval': 'app-health-probe-interval',
  appHealthProbeInterval: 'app-health-probe-interval',
  'health.timeout': 'app-health-probe-timeout',
  appHealthProbeTimeout: 'app-health-probe-timeout',
  'health.threshold': 'app-health-threshold',
  appHealthThreshold: 'app-health-threshold',
  http_port: 'dapr-http-port',
  daprHTTPPort: 'dapr-http-port',
  grpc_port: 'dapr-grpc-port',
  daprGRPCPort: 'dapr-grpc-port',
  daprInternalGRPCPort: 'dapr-internal-grpc-port',
  metrics_port: 'metrics-port',
  metricsPort: 'metrics-port',
  unixDomainSocket: 'unix-domain-socket',
  max_body_size: 'max-body-size',
  maxBodySize: 'max-body-size',
  readBufferSize: 'read-buffer-size',
  resources: 'resources-path',
  resourcesPath: 'resources-path',
  config: 'config',
  configFilePath: 'config',
  enableApiLogging: 'enable-api-logging',
};

function originsOfRunFile({ origins }: RunApp): Record<string, Origin> {
  const found: Record<string, Origin> = {};
  for (const [key, at] of Object.entries(origins)) {
    const setting = settingOfKey[key.replace(/\[\d+\]$/, '')];
    if (setting !== undefined) found[setting] = { from: 'file', at };
  }
  return found;
}

const workersMax = 64;

/** What flags say about the process as a whole. */
export function settingsFromFlags(
  values: FlagValues,
  more: Pick<HostSettings, 'dataDirectory' | 'mode' | 'logFormat' | 'database'>,
): HostSettings {
  const file = values['log-file'];
  const block = values['dapr-block-shutdown-duration'];
  const { workers } = values;
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= workersMax))
    throw new UsageError(`--workers must be a whole number from 1 to ${workersMax}`);
  const identity = values['identity-dir'];
  return {
    ...more,
    logLevel: sure(values, 'log-level') as HostSettings['logLevel'],
    ...(file && { logFile: file }),
    ...(identity && { identityDirectory: identity }),
    graceMs: sure(values, 'dapr-graceful-shutdown-seconds') * 1000,
    ...(workers !== undefined && { workers }),
    ...(block !== undefined && { blockShutdownMs: block }),
  };
}

/** An app of a run file, over what the flags say for all apps. */
export function specFromRunApp(app: RunApp, base: AppSpec): AppSpec {
  const { appPort: _fromFlags, ...rest } = base;
  return {
    ...rest,
    id: app.id,
    ...(app.appPort && { appPort: app.appPort }),
    appProtocol: app.protocol,
    appChannelAddress: app.channelAddress,
    ...(app.maxConcurrency !== undefined && app.maxConcurrency > 0 && { appMaxConcurrency: app.maxConcurrency }),
    ...(app.health && { appHealth: app.health }),
    httpPort: app.httpPort ?? 0,
    grpcPort: app.grpcPort ?? 0,
    internalGrpcPort: app.internalGrpcPort ?? 0,
    ...(app.unixDomainSocket !== undefined && { unixSocketDirectory: app.unixDomainSocket }),
    ...(base.metrics && { metrics: { ...base.metrics, port: app.metricsPort ?? 0 } }),
    ...(app.maxBodyBytes !== undefined && { bodyBytesMax: app.maxBodyBytes }),
    ...(app.readBufferBytes !== undefined && { headerBytesMax: app.readBufferBytes }),
    resourcePaths: app.resources.length > 0 ? app.resources : base.resourcePaths,
    configPaths: app.configs.length > 0 ? app.configs : base.configPaths,
    ...(app.apiLogging !== undefined && { apiLogging: app.apiLogging }),
    origins: { ...base.origins, ...originsOfRunFile(app) },
  };
}
