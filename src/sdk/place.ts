import { ProaError } from '../kernel/errors.ts';
import type { Address, ProcessPort } from '../kernel/ports.ts';
import { tokensOf } from '../kernel/token-list.ts';
import type { ServeOptions } from './serve.ts';

/** How an app reaches its runtime: a sidecar over HTTP or gRPC, or one in its own process. */
export type Mode = 'http' | 'grpc' | 'in-process';

/** Everything that options and environment say. */
export interface Place {
  readonly mode: Mode;
  readonly http: Address | undefined;
  readonly grpc: Address | undefined;
  readonly apiToken: string | undefined;
  readonly appToken: string | undefined;
  /** 0: a free one. */
  readonly appPort: number;
  readonly appId: string;
  readonly dataDirectory: string;
  readonly resources: readonly string[];
}

const modes: readonly Mode[] = ['http', 'grpc', 'in-process'];

/** Reads them. Fails with `config.invalid` for what cannot be, with the name of the variable. */
export function placeOf(options: ServeOptions, system: Pick<ProcessPort, 'env' | 'cwd'>): Place {
  const env = (name: string): string | undefined => system.env(name) || undefined;
  const http = addressOf(env, 'DAPR_HTTP_ENDPOINT', 'DAPR_HTTP_PORT');
  const grpc = addressOf(env, 'DAPR_GRPC_ENDPOINT', 'DAPR_GRPC_PORT');
  const mode = options.mode ?? modeOf(env('PROA_MODE')) ?? (http !== undefined ? 'http' : grpc !== undefined ? 'grpc' : 'in-process');
  if (mode === 'http' && http === undefined) throw wrong('the mode is http, but DAPR_HTTP_PORT is not set');
  if (mode === 'grpc' && grpc === undefined) throw wrong('the mode is grpc, but DAPR_GRPC_PORT is not set');
  const appId = options.appId ?? env('APP_ID') ?? '';
  if (mode === 'in-process' && appId === '') throw wrong('an app in this process needs a name: give `appId`, or set APP_ID');
  const [appPort, port] = [env('APP_PORT'), env('PORT')];
  return {
    mode,
    http,
    grpc,
    apiToken: tokensOf(env('DAPR_API_TOKEN'))[0],
    appToken: env('APP_API_TOKEN'),
    appPort: options.port ?? portNumber(appPort === undefined ? 'PORT' : 'APP_PORT', appPort ?? port) ?? 0,
    appId,
    dataDirectory: options.dataDirectory ?? env('PROA_DATA_DIR') ?? `${system.cwd()}/.proa/data`,
    resources:
      options.resources ??
      env('PROA_RESOURCES')
        ?.split(':')
        .filter((path) => path !== '') ??
      [],
  };
}

type Env = (name: string) => string | undefined;

function modeOf(text: string | undefined): Mode | undefined {
  if (text === undefined) return undefined;
  const mode = modes.find((known) => known === text);
  if (mode === undefined) throw wrong(`PROA_MODE is ${JSON.stringify(text)}; it must be one of ${modes.join(', ')}`);
  return mode;
}

function addressOf(env: Env, endpoint: string, port: string): Address | undefined {
  const text = env(endpoint);
  if (text === undefined) {
    const number = portNumber(port, env(port));
    return number === undefined ? undefined : { host: '127.0.0.1', port: number };
  }
  const parts = /^(?:http:\/\/)?(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+)):(\d{1,5})\/?$/.exec(text);
  if (parts === null)
    throw wrong(`${endpoint} is ${JSON.stringify(text)}; it must be http://host:port`, 'TLS towards the own sidecar is not supported');
  return { host: (parts[1] ?? parts[2]) as string, port: Number(parts[3]) };
}

function portNumber(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number > 65_535) throw wrong(`${name} is ${JSON.stringify(text)}; it must be a port`);
  return number;
}

function wrong(message: string, hint?: string): ProaError {
  return new ProaError('config.invalid', message, hint === undefined ? {} : { hint });
}
