import { posix } from 'node:path';
import type { Disk } from '../../kernel/ports.ts';

/** What to do when an app's process ends by itself. */
export type RestartPolicy = 'always' | 'on-failure' | 'never';
export type LogDestination = 'console' | 'file' | 'fileAndConsole';

/** One app of a run file. Paths are absolute. Absent settings: the runtime's defaults. */
export interface RunApp {
  readonly id: string;
  readonly dir: string;
  /** Program and arguments; absent: an app that somebody else starts. A single line of shell is `['/bin/sh', '-c', line]`. */
  readonly command?: readonly string[];
  /** Absent: found by watching the process. 0: a free port that the app is told in PORT. */
  readonly appPort?: number;
  readonly protocol: 'http' | 'https' | 'grpc' | 'grpcs' | 'h2c';
  readonly channelAddress: string;
  readonly httpPort?: number;
  readonly grpcPort?: number;
  readonly internalGrpcPort?: number;
  readonly metricsPort?: number;
  readonly unixDomainSocket?: string;
  readonly env: Readonly<Record<string, string>>;
  /** `NAME=value` files, read before `env` applies. */
  readonly envFiles: readonly string[];
  readonly resources: readonly string[];
  readonly configs: readonly string[];
  readonly health?: { readonly path: string; readonly intervalMs: number; readonly timeoutMs: number; readonly threshold: number };
  readonly maxConcurrency?: number;
  readonly maxBodyBytes?: number;
  readonly readBufferBytes?: number;
  readonly logLevel?: string;
  readonly apiLogging?: boolean;
  readonly appLogs: LogDestination;
  readonly runtimeLogs: LogDestination;
  readonly replicas: number;
  readonly restart: RestartPolicy;
  /** Where its keys were written, `file:line`, by the path below the app; what all apps share is among them. */
  readonly origins: Readonly<Record<string, string>>;
  /** Ids of apps that must be healthy first. */
  readonly waits: readonly string[];
}

export interface RunFile {
  readonly file: string;
  readonly name: string;
  /** Which format it was. */
  readonly format: 'dapr' | 'proa';
  readonly apps: readonly RunApp[];
}

/** Where relative paths of a run file begin. */
export interface RunFileContext {
  readonly disk: Disk;
  readonly file: string;
  readonly directory: string;
}

/** What was written below some paths, without these; later ones win. */
export function originsBelow(origins: ReadonlyMap<string, string>, prefixes: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const prefix of prefixes) for (const [path, at] of origins) if (path.startsWith(prefix)) found[path.slice(prefix.length)] = at;
  return found;
}

/** An absolute path out of one that may be relative to the run file. */
export function pathOf(context: RunFileContext, path: string, base = context.directory): string {
  return posix.resolve(base, path);
}
