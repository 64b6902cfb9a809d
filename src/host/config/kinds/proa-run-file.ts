import { posix } from 'node:path';
import { originsBelow, pathOf, type RunApp, type RunFile, type RunFileContext } from '../run-model.ts';
import {
  duration,
  filledText,
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
  wrongValue,
  type Reader,
  type Reading,
} from '../shape.ts';
import type { YamlNode } from '../yaml.ts';

/** A port, or `auto`: a free one that the app is told in PORT. */
const port: Reader<number> = (node, path, reading) => {
  if (node.kind === 'scalar' && node.text === 'auto') return 0;
  const value = whole(1, 65_535)(node, path, { ...reading, problems: [] });
  return value ?? wrongValue(reading, node.span, `${path} must be a port from 1 to 65535, or auto`);
};

/** A line for the shell, or program and arguments. */
const command: Reader<readonly string[]> = (node, path, reading) => {
  if (node.kind === 'list') return list(text)(node, path, reading);
  const line = filledText(node, path, reading);
  return line === undefined ? undefined : ['/bin/sh', '-c', line];
};

/** One text or a list of them. */
const texts: Reader<readonly string[]> = (node, path, reading) => {
  if (node.kind === 'list') return list(filledText)(node, path, reading);
  const one = filledText(node, path, reading);
  return one === undefined ? undefined : [one];
};

const destination = word('console', 'file', 'fileAndConsole');
const app = object({
  dir: optional(filledText),
  run: optional(command),
  port: optional(port),
  protocol: withDefault(word('http', 'https', 'grpc', 'grpcs', 'h2c'), 'http'),
  host: optional(filledText),
  http_port: optional(port),
  grpc_port: optional(port),
  metrics_port: optional(port),
  env: optional(record(text)),
  env_file: optional(texts),
  resources: optional(texts),
  config: optional(texts),
  health: optional(
    object({
      path: withDefault(filledText, '/healthz'),
      interval: withDefault(duration, 5000),
      timeout: withDefault(duration, 500),
      threshold: withDefault(whole(0, 1000), 3),
    }),
  ),
  max_concurrency: optional(whole(1, 1_000_000)),
  max_body_size: optional(size),
  log_level: optional(word('debug', 'info', 'warn', 'error')),
  logs: withDefault(destination, 'fileAndConsole'),
  replicas: withDefault(whole(1, 64), 1),
  restart: withDefault(word('always', 'on-failure', 'never'), 'on-failure'),
  waits: optional(texts),
});

const shape = object({
  version: optional(whole(1, 1)),
  name: optional(filledText),
  resources: optional(texts),
  config: optional(texts),
  env: optional(record(text)),
  env_file: optional(texts),
  apps: required(record(app)),
});

type Written = NonNullable<ReturnType<typeof shape>>;
type App = NonNullable<ReturnType<typeof app>>;

/** Reads `proa.yaml`. */
export function readProaRunFile(node: YamlNode, context: RunFileContext, reading: Reading): RunFile | undefined {
  const written = shape(node, '', reading);
  if (written === undefined) return undefined;
  const apps = Object.entries(written.apps).map(([id, own]) => appOf(id, own, { written, context, reading }));
  return { file: context.file, name: written.name ?? posix.basename(context.directory), format: 'proa', apps };
}

function appOf(id: string, own: App, at: { written: Written; context: RunFileContext; reading: Reading }): RunApp {
  const { written, context, reading } = at;
  const absolute = (paths: readonly string[] | undefined): string[] => (paths ?? []).map((path) => pathOf(context, path));
  return {
    id,
    dir: pathOf(context, own.dir ?? '.'),
    ...(own.run !== undefined && { command: own.run }),
    ...(own.port !== undefined && { appPort: own.port }),
    protocol: own.protocol,
    channelAddress: own.host ?? '127.0.0.1',
    ...(own.http_port && { httpPort: own.http_port }),
    ...(own.grpc_port && { grpcPort: own.grpc_port }),
    ...(own.metrics_port && { metricsPort: own.metrics_port }),
    env: { ...written.env, ...own.env },
    envFiles: absolute([...(written.env_file ?? []), ...(own.env_file ?? [])]),
    resources: absolute([...(written.resources ?? []), ...(own.resources ?? [])]),
    configs: absolute([...(written.config ?? []), ...(own.config ?? [])]),
    ...(own.health && {
      health: { path: own.health.path, intervalMs: own.health.interval, timeoutMs: own.health.timeout, threshold: own.health.threshold },
    }),
    ...(own.max_concurrency !== undefined && { maxConcurrency: own.max_concurrency }),
    ...(own.max_body_size !== undefined && { maxBodyBytes: own.max_body_size }),
    ...(own.log_level !== undefined && { logLevel: own.log_level }),
    appLogs: own.logs,
    runtimeLogs: own.logs,
    replicas: own.replicas,
    restart: own.restart,
    waits: own.waits ?? [],
    origins: originsBelow(reading.origins, ['', `apps.${id}.`]),
  };
}
