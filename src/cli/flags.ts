import { workflowStatuses } from '../kernel/workflow-status.ts';

/** A command-line flag: the one source of parsing, help and completion. */
export interface Flag {
  readonly type: 'text' | 'number' | 'flag' | 'list' | 'duration' | 'size';
  readonly doc: string;
  readonly short?: string;
  /** As it is written on the command line; absent: none. */
  readonly fallback?: string;
  /** Stands for the value in help. */
  readonly value?: string;
  /** What it may be, in any case. */
  readonly words?: readonly string[];
  /** Accepted, warned about, left out of help: what to use in its place. */
  readonly deprecated?: string;
  /** Accepted without any effect: Proa needs no such service. Left out of short help. */
  readonly inert?: boolean;
  /** Where daprd calls the flag by this name and `dapr run` another. */
  readonly aliases?: readonly string[];
}

const logLevels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
const protocols = ['http', 'https', 'grpc', 'grpcs', 'h2c'] as const;

/** Every flag of every command. Names, meanings and defaults of the first groups are daprd's and `dapr run`'s (Dapr reference 11.2, 11.3). */
export const flags = {
  // app
  'app-id': { type: 'text', short: 'a', doc: 'A unique id, used for service discovery and state', value: 'id' },
  'app-port': { type: 'number', short: 'p', doc: 'The port on which the application listens', value: 'port' },
  'app-protocol': {
    type: 'text',
    short: 'P',
    fallback: 'http',
    words: protocols,
    doc: 'The protocol of the application',
    value: 'protocol',
  },
  'app-channel-address': { type: 'text', fallback: '127.0.0.1', doc: 'The address on which the application listens', value: 'address' },
  'app-max-concurrency': { type: 'number', fallback: '-1', doc: 'Most calls into the application at once; -1: no limit', value: 'count' },
  'app-ssl': { type: 'flag', doc: 'TLS to the application', deprecated: '--app-protocol https or grpcs' },
  'enable-app-health-check': {
    type: 'flag',
    doc: 'Check the health of the application; while it is unhealthy it gets neither events nor calls',
  },
  'app-health-check-path': { type: 'text', fallback: '/healthz', doc: 'Path of health checks over HTTP', value: 'path' },
  'app-health-probe-interval': { type: 'number', fallback: '5', doc: 'Time between health checks, in seconds', value: 'seconds' },
  'app-health-probe-timeout': { type: 'number', fallback: '500', doc: 'Time limit of a health check, in milliseconds', value: 'ms' },
  'app-health-threshold': { type: 'number', fallback: '3', doc: 'Failures in a row that make the application unhealthy', value: 'count' },
  'disable-init-endpoints': {
    type: 'list',
    words: ['config', 'subscribe'],
    doc: 'Start-up questions that the application is not asked',
    value: 'names',
  },
  'app-binding-options-timeout': {
    type: 'duration',
    fallback: '3s',
    doc: 'Time limit for asking which input bindings the application wants',
    value: 'duration',
  },
  // API
  'dapr-http-port': { type: 'number', short: 'H', fallback: '3500', doc: 'Port of the HTTP API', value: 'port' },
  'dapr-grpc-port': { type: 'number', short: 'G', fallback: '50001', doc: 'Port of the gRPC API', value: 'port' },
  'dapr-listen-addresses': {
    type: 'list',
    aliases: ['dapr-listen-address'],
    doc: 'Addresses of the APIs (default: loopback)',
    value: 'addresses',
  },
  'dapr-public-port': { type: 'number', doc: 'Port for health and metadata only', value: 'port' },
  'dapr-public-listen-address': { type: 'text', doc: 'Address of the public port', value: 'address' },
  'unix-domain-socket': { type: 'text', short: 'u', doc: 'Directory for Unix sockets in place of TCP ports', value: 'dir' },
  'allowed-origins': { type: 'text', doc: 'Origins that browsers may call from; `*`: all of them (default: none)', value: 'origins' },
  'max-body-size': { type: 'size', fallback: '4Mi', doc: 'Largest body of the APIs', value: 'size' },
  'read-buffer-size': { type: 'size', fallback: '4Ki', doc: 'Read buffer; the head of a request may have 4Ki more', value: 'size' },
  'dapr-http-max-request-size': {
    type: 'number',
    aliases: ['http-max-request-size'],
    doc: 'Largest body in MB',
    deprecated: '--max-body-size',
    value: 'MB',
  },
  'dapr-http-read-buffer-size': {
    type: 'number',
    aliases: ['http-read-buffer-size'],
    doc: 'Read buffer in KB',
    deprecated: '--read-buffer-size',
    value: 'KB',
  },
  'enable-api-logging': { type: 'flag', doc: 'Log every call of the APIs (default: as the Configuration says)' },
  // internal
  'dapr-internal-grpc-port': { type: 'number', short: 'I', doc: 'Port for calls from other runtimes (default: a free one)', value: 'port' },
  'dapr-internal-grpc-listen-address': { type: 'text', doc: 'Address for calls from other runtimes', value: 'address' },
  mode: { type: 'text', fallback: 'standalone', words: ['standalone', 'kubernetes'], doc: 'Where the runtime runs', value: 'mode' },
  'control-plane-address': { type: 'text', doc: 'Address of a Dapr control plane', inert: true, value: 'address' },
  'sentry-address': { type: 'text', doc: 'Address of the certificate authority', inert: true, value: 'address' },
  'control-plane-trust-domain': { type: 'text', fallback: 'localhost', doc: 'Trust domain of the control plane', value: 'domain' },
  'control-plane-namespace': { type: 'text', fallback: 'default', doc: 'Namespace of the control plane', value: 'namespace' },
  'sentry-request-jwt-audiences': { type: 'list', doc: 'Audiences of signing requests', inert: true, value: 'audiences' },
  'enable-mtls': { type: 'flag', doc: 'Mutual TLS between runtimes' },
  // resources
  'resources-path': { type: 'list', short: 'd', doc: 'Folder of resources; may be repeated', value: 'dir' },
  'components-path': { type: 'list', doc: 'Folder of resources', deprecated: '--resources-path', value: 'dir' },
  config: { type: 'list', short: 'c', doc: 'Configuration file; may be repeated, later ones cover earlier ones', value: 'file' },
  'hot-reload-reconcile-interval': {
    type: 'duration',
    fallback: '0',
    doc: 'Time between full comparisons of the resources; 0: 60s',
    value: 'duration',
  },
  'disable-builtin-k8s-secret-store': { type: 'flag', doc: 'No Kubernetes secret store', inert: true },
  // actors and jobs of Dapr's control plane
  'placement-host-address': { type: 'text', doc: 'Address of the placement service', inert: true, value: 'address' },
  'scheduler-host-address': { type: 'list', doc: 'Addresses of the scheduler service', inert: true, value: 'addresses' },
  'scheduler-job-streams': { type: 'number', fallback: '3', doc: 'Streams to the scheduler service', inert: true, value: 'count' },
  'actors-disseminate-timeout': {
    type: 'duration',
    fallback: '30s',
    doc: 'Time limit of a placement round',
    inert: true,
    value: 'duration',
  },
  'reminders-service': { type: 'text', doc: 'Reminders service', deprecated: 'nothing: it has no effect', value: 'address' },
  'actors-service': { type: 'text', doc: 'Actors service', deprecated: 'nothing: it has no effect', value: 'address' },
  // life cycle
  'dapr-graceful-shutdown-seconds': { type: 'number', fallback: '5', doc: 'Time for a graceful stop, in seconds', value: 'seconds' },
  'dapr-block-shutdown-duration': {
    type: 'duration',
    doc: 'Keep the APIs open this long after a signal, or until the application is unhealthy',
    value: 'duration',
  },
  // observability
  'log-level': { type: 'text', fallback: 'info', words: logLevels, doc: 'Least level of log lines', value: 'level' },
  'log-as-json': { type: 'flag', doc: 'Log lines as JSON' },
  'log-file': { type: 'text', doc: 'Write the log to a file', value: 'file' },
  'enable-metrics': { type: 'flag', fallback: 'true', doc: 'Serve Prometheus metrics' },
  'metrics-port': { type: 'number', short: 'M', fallback: '9090', doc: 'Port of the metrics', value: 'port' },
  'metrics-listen-address': { type: 'text', doc: 'Address of the metrics (default: loopback)', value: 'address' },
  'enable-profiling': { type: 'flag', doc: 'Serve CPU profiles and heap snapshots of the runtime on loopback' },
  'profile-port': { type: 'number', fallback: '7777', doc: 'Port of the profiles', value: 'port' },
  // daprd's commands that are flags
  'build-info': { type: 'flag', doc: 'Print what was built' },
  wait: { type: 'flag', doc: 'Wait until the outgoing APIs of a running sidecar work' },
  // of `run`
  'run-file': { type: 'text', short: 'f', doc: 'proa.yaml or dapr.yaml, or a folder that holds one', value: 'path' },
  kubernetes: {
    type: 'flag',
    short: 'k',
    doc: 'Not offered: in a cluster `proa sidecar` runs in a container beside the application',
    inert: true,
  },
  'runtime-path': { type: 'text', doc: 'Folder of the Dapr runtime', inert: true, value: 'dir' },
  attach: { type: 'number', doc: 'Serve an application that somebody else starts on this port', value: 'port' },
  restart: {
    type: 'text',
    words: ['always', 'on-failure', 'never'],
    doc: 'When to start an application again that ended',
    value: 'policy',
  },
  'no-restart': { type: 'flag', doc: 'The same as --restart never' },
  'data-dir': {
    type: 'text',
    doc: 'Where data is kept (default: .proa/data beside a run file, otherwise the state directory of this user)',
    value: 'dir',
  },
  engine: {
    type: 'text',
    doc: 'Where embedded components keep their data: journal, a PostgreSQL URL without a password, or @file with a URL (also: PROA_ENGINE)',
    value: 'url',
  },
  'identity-dir': {
    type: 'text',
    doc: 'Certificates of the applications from another issuer: tls.crt, tls.key and ca.crt, or a folder with these named as the application (default: an authority of our own)',
    value: 'dir',
  },
  'placement-ttl': {
    type: 'duration',
    doc: 'Without a sign of life for so long a runtime loses its actors, workflows and jobs to others: 300ms to 10m (default: 3s)',
    value: 'duration',
  },
  workers: {
    type: 'number',
    doc: 'Processes that serve the APIs of the applications together, to use several cores (default: 1)',
    value: 'count',
  },
  // of the other commands
  from: { type: 'text', doc: 'What to take: a backup, a data directory, a PostgreSQL URL, or @file with one', value: 'place' },
  to: { type: 'text', doc: 'Where to put it: a directory, a PostgreSQL URL, or @file with one', value: 'place' },
  format: { type: 'text', doc: 'The format of the database that an older Proa knows', value: 'number' },
  // rollout
  steps: {
    type: 'text',
    fallback: '5:5m,25:10m,50:10m,100:10m',
    doc: 'Shares of the calls in percent, each with the time that it must hold; 100 alone is blue/green',
    value: 'percent:time,...',
  },
  success: { type: 'text', fallback: '99', doc: 'Least share of good calls of the new version, in percent', value: 'percent' },
  latency: { type: 'text', doc: 'Longest time of a quantile of the calls of the new version, as p99:500ms', value: 'pNN:time' },
  'errors-above': {
    type: 'text',
    doc: 'Most by which the share of failed calls may lie above that of the old version, in percentage points',
    value: 'points',
  },
  'latency-factor': {
    type: 'text',
    doc: 'Most that a quantile may be in terms of that of the old version, as p99:1.5',
    value: 'pNN:factor',
  },
  'min-requests': { type: 'number', fallback: '50', doc: 'No step is judged or passed on fewer calls of the new version', value: 'count' },
  sticky: {
    type: 'text',
    doc: 'What keeps its version: header:NAME, cookie:NAME, caller or path (default: each call by itself)',
    value: 'key',
  },
  // workflows
  status: {
    type: 'list',
    words: workflowStatuses.map((status) => status.toLowerCase()),
    doc: 'Only with this status',
    value: 'status',
  },
  name: { type: 'text', doc: 'Only workflows of this name', value: 'name' },
  after: { type: 'text', doc: 'Only those created at this time or later', value: 'time' },
  before: { type: 'text', doc: 'Only those created at this time or earlier', value: 'time' },
  attribute: { type: 'list', doc: 'Only with this attribute or tag; may be repeated', value: 'name=value' },
  size: { type: 'number', doc: 'Entries of a page, at most 1000', value: 'count' },
  token: { type: 'text', doc: 'Where the page before ended', value: 'token' },
  id: { type: 'text', doc: 'Id of the new instance (default: a fresh one)', value: 'id' },
  at: { type: 'text', doc: 'Start at this time', value: 'time' },
  unique: { type: 'flag', doc: 'Do not replace a finished instance with the same id' },
  recursive: { type: 'flag', doc: 'Children too' },
  force: { type: 'flag', doc: 'Although it has not finished' },
  module: { type: 'text', doc: 'The file that exports the workflows, as JavaScript', value: 'file' },
  history: { type: 'list', doc: 'A file with a history, or one per line; may be repeated', value: 'file' },
  component: { type: 'text', doc: 'What is around this component, in place of a call', value: 'name' },
  app: { type: 'text', doc: 'Only this application', value: 'id' },
  once: { type: 'flag', doc: 'Place a few orders, check that all are completed, and end' },
  orchestrated: { type: 'flag', doc: 'The shop led by one workflow, instead of apps that react to events' },
  all: { type: 'flag', doc: 'Every run of this machine' },
  follow: { type: 'flag', doc: 'Go on as lines are written' },
  lines: { type: 'number', short: 'n', fallback: '100', doc: 'Lines from the end', value: 'count' },
  method: { type: 'text', short: 'm', doc: 'Method of the application', value: 'path' },
  verb: { type: 'text', short: 'v', fallback: 'POST', doc: 'HTTP verb', value: 'verb' },
  data: { type: 'text', short: 'D', doc: 'The body', value: 'text' },
  'data-file': { type: 'text', doc: 'File with the body', value: 'file' },
  pubsub: { type: 'text', fallback: 'pubsub', doc: 'Name of the pub/sub component', value: 'name' },
  topic: { type: 'text', short: 't', doc: 'Name of the topic', value: 'name' },
  'publish-app-id': { type: 'text', short: 'i', doc: 'The application on whose behalf to publish', value: 'id' },
  metadata: { type: 'text', doc: 'Metadata as JSON', value: 'json' },
  timeout: { type: 'duration', fallback: '30s', doc: 'Give up after this time', value: 'duration' },
  // job
  schedule: {
    type: 'text',
    doc: 'When to run again and again: cron with six fields, @every 1m, @daily, CRON_TZ= in front',
    value: 'schedule',
  },
  'due-time': { type: 'text', doc: 'The first run: an instant or a duration from now', value: 'time' },
  repeats: { type: 'number', doc: 'How often to run in all', value: 'count' },
  ttl: { type: 'text', doc: 'No run is later: an instant or a duration', value: 'time' },
  'missed-runs': { type: 'text', doc: 'What becomes of missed runs', value: 'policy', words: ['catchUp', 'once', 'skip'] },
  overwrite: { type: 'flag', doc: 'Replace a job of the same name' },
  prefix: { type: 'text', doc: 'All whose name begins so', value: 'text' },
  // of every command
  json: { type: 'flag', doc: 'Machine-readable output with a stable shape' },
  'no-color': { type: 'flag', doc: 'No colours (also: NO_COLOR)' },
  quiet: { type: 'flag', short: 'q', doc: 'Errors only' },
  version: { type: 'flag', doc: 'Print the version' },
  help: { type: 'flag', short: 'h', doc: 'Print help' },
} as const satisfies Readonly<Record<string, Flag>>;

export type FlagName = keyof typeof flags;

interface ValueOfType {
  text: string;
  number: number;
  flag: boolean;
  list: readonly string[];
  /** Milliseconds. */
  duration: number;
  /** Bytes. */
  size: number;
}

/** What was given on the command line; `defaulted` fills in the rest. */
export type FlagValues = { readonly [Name in FlagName]?: ValueOfType[(typeof flags)[Name]['type']] };

/** The flag behind a name, with all optional members. */
export function flagOf(name: FlagName): Flag {
  return flags[name];
}

/** Flags that every command takes. */
export const globalFlags = ['json', 'no-color', 'quiet', 'help'] as const satisfies readonly FlagName[];

/** The flags of `sidecar`: all of daprd's. */
export const sidecarFlags = (Object.keys(flags) as FlagName[]).slice(0, Object.keys(flags).indexOf('run-file'));
