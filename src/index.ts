/**
 * `proa` inside a program of one's own: the host that serves apps, the ports it stands on, and the words that both speak. Apps themselves need
 * nothing of this: they talk to their runtime over HTTP or gRPC, with any of Dapr's SDKs.
 */
export { createRuntime } from './host/in-process.ts';
export type { Runtime, RuntimeOptions } from './host/in-process.ts';
export { startHost } from './host/index.ts';
export type { AppProtocol, AppSpec, HostEvent, HostOptions, HostSettings, RunningApp, RunningHost, StartHost } from './host/index.ts';
export { nodePorts } from './ports/node/index.ts';
export type { Clock, Disk, Network, Ports, ProcessPort, Random } from './kernel/ports.ts';
export { isProaError, ProaError } from './kernel/errors.ts';
export { catalogue } from './kernel/catalogue.ts';
export type { ErrorSpec, GrpcCode, RetryClass } from './kernel/catalogue.ts';
export { version } from './host/version.ts';
