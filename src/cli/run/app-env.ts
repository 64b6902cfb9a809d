import type { RunApp } from '../../host/config/run-model.ts';
import type { RunningApp } from '../../host/host-api.ts';
import { tokensOf } from '../../kernel/token-list.ts';

/** Parses `NAME=value` lines: comments, `export`, single and double quotes; no expansion. */
export function parseEnvFile(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][\w.]*)\s*=\s*(.*?)\s*$/.exec(line);
    if (match === null) continue;
    const [, name, raw] = match as unknown as [string, string, string];
    const quoted = /^(["'])(.*)\1(?:\s+#.*)?$/.exec(raw);
    if (quoted === null) values[name] = raw.replace(/\s+#.*$/, '');
    else values[name] = quoted[1] === '"' ? (quoted[2] as string).replace(/\\n/g, '\n').replace(/\\(["\\])/g, '$1') : (quoted[2] as string);
  }
  return values;
}

export interface AppEnvOptions {
  readonly app: Pick<RunApp, 'id' | 'env' | 'channelAddress'>;
  readonly runtime: Pick<RunningApp, 'httpPort' | 'grpcPort' | 'metricsPort'>;
  /** Where the app should listen: its own port, or a free one. */
  readonly appPort: number;
  readonly replica: number;
  readonly fromFiles: Readonly<Record<string, string>>;
  readonly inherited: Readonly<Record<string, string>>;
}

/**
 * The environment of an app (Dapr reference 9). Variables of the run file win over the inherited ones; names that belong to the runtime win over both.
 * A PORT of the run file stays; one of the parent does not, because several apps would share it.
 */
export function appEnvironment({ app, runtime, appPort, replica, fromFiles, inherited }: AppEnvOptions): Record<string, string> {
  // The database's password is the runtime's: whoever has it passes every scope.
  const { PROA_ENGINE: _engine, ...passedOn } = inherited;
  const given: Record<string, string> = { ...passedOn, ...fromFiles, ...app.env };
  // Dapr's SDKs send the variable as it is.
  const [apiToken] = tokensOf(given['DAPR_API_TOKEN']);
  const endpoint = `http://127.0.0.1:${runtime.httpPort}`;
  return {
    ...given,
    ...(apiToken !== undefined && { DAPR_API_TOKEN: apiToken }),
    PORT: app.env['PORT'] ?? fromFiles['PORT'] ?? String(appPort),
    APP_ID: app.id,
    APP_PORT: String(appPort),
    ...(app.channelAddress !== '127.0.0.1' && { APP_CHANNEL_ADDRESS: app.channelAddress }),
    DAPR_HTTP_PORT: String(runtime.httpPort),
    DAPR_GRPC_PORT: String(runtime.grpcPort),
    ...(runtime.metricsPort !== undefined && { DAPR_METRICS_PORT: String(runtime.metricsPort) }),
    PROA_APP_ID: app.id,
    PROA_HTTP_ENDPOINT: endpoint,
    PROA_GRPC_ENDPOINT: `http://127.0.0.1:${runtime.grpcPort}`,
    PROA_REPLICA: String(replica),
    OTEL_SERVICE_NAME: given['OTEL_SERVICE_NAME'] ?? app.id,
  };
}
