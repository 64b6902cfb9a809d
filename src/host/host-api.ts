import type { Origin } from '../kernel/origin.ts';
import type { Ports } from '../kernel/ports.ts';
import type { DefaultsMode } from './config/defaults.ts';
import type { Problem } from './config/problem.ts';

export type AppProtocol = 'http' | 'https' | 'grpc' | 'grpcs' | 'h2c';

/** One app that a host serves: everything that `daprd` takes as flags, with units in names. Port 0: a free one. */
export interface AppSpec {
  readonly id: string;
  readonly namespace: string;
  /** Where the app listens; absent: not known yet (see `RunningApp.connect`) or the app calls only. */
  readonly appPort?: number;
  readonly appProtocol: AppProtocol;
  readonly appChannelAddress: string;
  /** Absent: no limit. */
  readonly appMaxConcurrency?: number;
  readonly appHealth?: { readonly path: string; readonly intervalMs: number; readonly timeoutMs: number; readonly threshold: number };
  /** Which of `/dapr/config` and `/dapr/subscribe` are not asked. */
  readonly disabledInitEndpoints: readonly string[];
  readonly bindingOptionsTimeoutMs: number;
  /** Addresses of the APIs. Empty: loopback. */
  readonly listenAddresses: readonly string[];
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly internalGrpcPort: number;
  readonly internalGrpcListenAddress: string;
  /** Health and metadata only; absent: not opened. */
  readonly publicPort?: number;
  readonly publicListenAddress: string;
  /** A directory for sockets in place of TCP ports. */
  readonly unixSocketDirectory?: string;
  /** Absent: metrics are off. */
  readonly metrics?: { readonly port: number; readonly listenAddress: string };
  readonly profilePort?: number;
  readonly allowedOrigins: string;
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  readonly resourcePaths: readonly string[];
  readonly configPaths: readonly string[];
  readonly defaults: DefaultsMode;
  readonly reconcileMs: number;
  /** Absent: as the Configuration says. */
  readonly apiLogging?: boolean;
  readonly mtls: boolean;
  /** Without a sign of life for so long its actors, workflows and jobs go to other runtimes; absent: 3 s. */
  readonly placementTtlMs?: number;
  readonly controlPlaneTrustDomain: string;
  /** Where settings come from, by the name of their flag; what is not in it is a built-in default. */
  readonly origins?: Readonly<Record<string, Origin>>;
}

/** What all apps of a process share. */
export interface HostSettings {
  /** Where the engine keeps its data. */
  readonly dataDirectory: string;
  /** URL of the PostgreSQL database that keeps what embedded components store; absent: the journal in `dataDirectory` does. */
  readonly database?: string;
  /** Where the certificates of the apps lie when somebody else issues them: `tls.crt`, `tls.key` and `ca.crt`, or a folder with these for each app. */
  readonly identityDirectory?: string;
  /** Processes that serve the apps' APIs together, this one included. Absent: 1. */
  readonly workers?: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly logFormat: 'human' | 'logfmt' | 'json';
  /** Absent: standard output. */
  readonly logFile?: string;
  /** Time for a graceful stop as a whole. */
  readonly graceMs: number;
  /** APIs stay open this long after a stop was asked for, or until the app is unhealthy. Absent: off. */
  readonly blockShutdownMs?: number;
  /** `sidecar`: one app, daprd's behaviour; `run`: several apps of a developer. */
  readonly mode: 'sidecar' | 'run' | 'demo';
}

export type HostEvent =
  /** The app's runtime answers; `ready` follows when the app does as well. */
  | {
      readonly kind: 'listening';
      readonly appId: string;
      readonly httpPort: number;
      readonly grpcPort: number;
      readonly metricsPort?: number;
    }
  | { readonly kind: 'ready'; readonly appId: string }
  | { readonly kind: 'problems'; readonly appId: string; readonly problems: readonly Problem[] }
  /** The resources changed and are in effect. */
  | { readonly kind: 'reloaded'; readonly appId: string; readonly summary: string }
  | { readonly kind: 'log'; readonly appId?: string; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly line: string };

export interface RunningApp {
  readonly id: string;
  /** The bound ports. */
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort?: number;
  /** The app listens here now (it was started, restarted, or its port was found). */
  connect(appPort: number): Promise<void>;
  /** The app's process ended: nothing is delivered until `connect`. */
  disconnect(): Promise<void>;
  /** Resolves when outgoing APIs work (`/v1.0/healthz/outbound`). */
  readonly outboundReady: Promise<void>;
  /** Resolves when the app is served: its port answers, and its health check when it has one. */
  readonly ready: Promise<void>;
  /** What `PUT /v1.0/metadata/<key>` sets. */
  putMetadata(key: string, value: string): void;
}

export interface RunningHost {
  readonly apps: readonly RunningApp[];
  /** Drains and closes, at most `graceMs`. Calling twice is calling once. */
  stop(reason: string): Promise<void>;
  /**
   * SIGHUP: closes and starts every app's runtime again inside the process. One whose files have errors goes on as it is, and one that cannot be opened with them begins again
   * with what it had; both are told in the log.
   */
  restart(): Promise<void>;
  /** Ends with the exit code: after `stop`, after `POST /v1.0/shutdown` (0), or when the runtime cannot go on (1). */
  readonly done: Promise<number>;
}

export interface HostOptions {
  readonly ports: Ports;
  readonly apps: readonly AppSpec[];
  readonly shared: HostSettings;
  events(event: HostEvent): void;
}

/** Starts the runtimes of all apps. Fails with a ProaError (`config.invalid` holds every problem) and leaves nothing open then. */
export type StartHost = (options: HostOptions) => Promise<RunningHost>;
