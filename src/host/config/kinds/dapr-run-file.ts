import { posix } from 'node:path';
import { appIdOfFolder } from '../../../kernel/app-name.ts';
import { originsBelow, pathOf, type RunApp, type RunFile, type RunFileContext } from '../run-model.ts';
import {
  filledText,
  flag,
  list,
  object,
  optional,
  record,
  required,
  size,
  text,
  whole,
  withDefault,
  word,
  type Reading,
} from '../shape.ts';
import type { YamlNode } from '../yaml.ts';

const port = whole(0, 65_535);
const destination = word('console', 'file', 'fileAndConsole');

// Dapr reference 10.7. Keys without an effect here are accepted: the file must work unchanged.
const shared = {
  configFilePath: optional(text),
  appProtocol: optional(word('http', 'https', 'grpc', 'grpcs', 'h2c')),
  apiListenAddresses: optional(text),
  enableProfiling: optional(flag),
  logLevel: optional(text),
  appMaxConcurrency: optional(whole(-1, 1_000_000)),
  placementHostAddress: optional(text),
  schedulerHostAddress: optional(text),
  resourcesPath: optional(filledText),
  resourcesPaths: optional(list(filledText)),
  appSSL: optional(flag),
  maxBodySize: optional(size),
  readBufferSize: optional(size),
  enableAppHealthCheck: optional(flag),
  appHealthCheckPath: optional(text),
  appHealthProbeInterval: optional(whole(0, 86_400)),
  appHealthProbeTimeout: optional(whole(0, 86_400_000)),
  appHealthThreshold: optional(whole(0, 1_000_000)),
  enableApiLogging: optional(flag),
  runtimePath: optional(text),
  env: optional(record(text)),
  daprdLogDestination: optional(destination),
  appLogDestination: optional(destination),
} as const;

const app = object({
  ...shared,
  appID: optional(filledText),
  appDirPath: required(filledText),
  appPort: optional(port),
  daprHTTPPort: optional(port),
  daprGRPCPort: optional(port),
  daprInternalGRPCPort: optional(port),
  metricsPort: optional(port),
  profilePort: optional(port),
  unixDomainSocket: optional(text),
  command: optional(list(text)),
  appChannelAddress: optional(text),
  containerImage: optional(text),
  containerImagePullPolicy: optional(text),
  createService: optional(flag),
});

const shape = object({
  version: required(whole(1, 1)),
  name: optional(text),
  common: withDefault(object(shared), {}),
  apps: required(list(app)),
});

type App = NonNullable<ReturnType<typeof app>>;
type Common = NonNullable<ReturnType<typeof shape>>['common'];

/** Reads Dapr's `dapr.yaml` (several apps). Default resources: `.dapr/resources` and `.dapr/config.yaml` of the app's folder when they exist. */
export async function readDaprRunFile(node: YamlNode, context: RunFileContext, reading: Reading): Promise<RunFile | undefined> {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const apps: RunApp[] = [];
  for (const [i, item] of written.apps.entries()) {
    const origins = originsBelow(reading.origins, ['common.', `apps[${i}].`]);
    apps.push(await appOf(item, written.common, { context, origins }));
  }
  return { file: context.file, name: written.name ?? posix.basename(context.directory), format: 'dapr', apps };
}

async function existing(context: RunFileContext, path: string): Promise<string[]> {
  return (await context.disk.stat(path).catch(() => undefined)) === undefined ? [] : [path];
}

async function appOf(
  own: App,
  common: Common,
  { context, origins }: { readonly context: RunFileContext; readonly origins: RunApp['origins'] },
): Promise<RunApp> {
  const merged = { ...common, ...own };
  const dir = pathOf(context, own.appDirPath);
  const resources = [...(merged.resourcesPath === undefined ? [] : [merged.resourcesPath]), ...(merged.resourcesPaths ?? [])];
  const config = merged.configFilePath;
  return {
    id: own.appID ?? appIdOfFolder(posix.basename(dir)),
    dir,
    ...(own.command !== undefined && own.command.length > 0 && { command: own.command }),
    ...portsOf(own),
    protocol: protocolOf(merged),
    channelAddress: own.appChannelAddress ?? '127.0.0.1',
    ...(own.unixDomainSocket && { unixDomainSocket: pathOf(context, own.unixDomainSocket) }),
    env: { ...common.env, ...own.env },
    envFiles: [],
    resources:
      resources.length > 0 ? resources.map((path) => pathOf(context, path)) : await existing(context, posix.join(dir, '.dapr/resources')),
    configs: config ? [pathOf(context, config)] : await existing(context, posix.join(dir, '.dapr/config.yaml')),
    ...healthOf(merged),
    ...(merged.appMaxConcurrency !== undefined && { maxConcurrency: merged.appMaxConcurrency }),
    ...(merged.maxBodySize !== undefined && { maxBodyBytes: merged.maxBodySize }),
    ...(merged.readBufferSize !== undefined && { readBufferBytes: merged.readBufferSize }),
    ...(merged.logLevel && { logLevel: merged.logLevel }),
    ...(merged.enableApiLogging !== undefined && { apiLogging: merged.enableApiLogging }),
    appLogs: merged.appLogDestination ?? 'fileAndConsole',
    runtimeLogs: merged.daprdLogDestination ?? 'file',
    replicas: 1,
    restart: 'never',
    waits: [],
    origins,
  };
}

function portsOf(own: App): Partial<Pick<RunApp, 'appPort' | 'httpPort' | 'grpcPort' | 'internalGrpcPort' | 'metricsPort'>> {
  return {
    // 0 and absent both mean: no port of the app is known.
    ...(own.appPort && { appPort: own.appPort }),
    ...(own.daprHTTPPort && { httpPort: own.daprHTTPPort }),
    ...(own.daprGRPCPort && { grpcPort: own.daprGRPCPort }),
    ...(own.daprInternalGRPCPort && { internalGrpcPort: own.daprInternalGRPCPort }),
    ...(own.metricsPort && { metricsPort: own.metricsPort }),
  };
}

function protocolOf({ appProtocol, appSSL }: Common): RunApp['protocol'] {
  const protocol = appProtocol ?? 'http';
  if (appSSL !== true) return protocol;
  return protocol === 'grpc' ? 'grpcs' : protocol === 'http' ? 'https' : protocol;
}

function healthOf(merged: Common): Pick<RunApp, 'health'> {
  if (merged.enableAppHealthCheck !== true) return {};
  return {
    health: {
      path: merged.appHealthCheckPath || '/healthz',
      intervalMs: (merged.appHealthProbeInterval || 5) * 1000,
      timeoutMs: merged.appHealthProbeTimeout || 500,
      threshold: merged.appHealthThreshold ?? 3,
    },
  };
}
