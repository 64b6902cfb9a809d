import { ProaError } from '../kernel/errors.ts';
import { Owner } from '../kernel/lifecycle.ts';
import { limits } from '../kernel/limits.ts';
import type { Address, Ports } from '../kernel/ports.ts';
import type { App } from './app.ts';
import { createClient, type Client } from './client.ts';
import { placeOf, type Mode, type Place } from './place.ts';
import type { Operations } from './operations.ts';
import { attachWorkflows } from './workflow/attach.ts';
import { lazyWorkflows } from './workflow/lazy-operations.ts';

export interface ServeOptions {
  /** Absent: as the environment says (`PROA_MODE`, else whichever of `DAPR_HTTP_PORT` and `DAPR_GRPC_PORT` is set, else `in-process`). */
  readonly mode?: Mode;
  /** In-process only: the app's name (`APP_ID`). */
  readonly appId?: string;
  /** In-process only: where the engine keeps its data (`PROA_DATA_DIR`). Runtimes that name the same directory share it. */
  readonly dataDirectory?: string;
  /** In-process only: folders of component files (`PROA_RESOURCES`, separated by colons). */
  readonly resources?: readonly string[];
  /** Where the app listens for its sidecar (`APP_PORT`, else `PORT`, else a free one). */
  readonly port?: number;
  /** False: something else hosts `app.fetch`. */
  readonly listen?: boolean;
}

/** An app that runs, and the building blocks for it. */
export interface RunningApp {
  readonly mode: Mode;
  readonly client: Client;
  /** Where the app listens; undefined when it does not. */
  readonly port: number | undefined;
  /** Takes nothing new, lets what runs finish, closes. */
  close(): Promise<void>;
}

/** What an app in this process needs besides; only the composition root has it. */
export type OpenInProcess = (options: {
  readonly ports: Ports;
  readonly app?: App;
  readonly appId: string;
  readonly dataDirectory: string;
  readonly resources: readonly string[];
}) => Promise<Operations>;

export interface ServeParts {
  readonly ports: Ports;
  readonly openInProcess: OpenInProcess;
}

const loopback = '127.0.0.1';

/** Runs an app, or without one only its calls, in the mode that options or environment name. Fails with `config.invalid` for settings that cannot be. */
export async function serveApp(app: App | undefined, options: ServeOptions, { ports, openInProcess }: ServeParts): Promise<RunningApp> {
  const place = placeOf(options, ports.process);
  const owner = new Owner(ports.clock);
  try {
    const operations = await (place.mode === 'in-process'
      ? openInProcess({
          ports,
          ...(app !== undefined && { app }),
          appId: place.appId,
          dataDirectory: place.dataDirectory,
          resources: place.resources,
        })
      : openRemote(place, ports, app));
    const warn = (message: string): void => ports.process.writeErr(`${message}\n`);
    app?.actors.attach(operations);
    const client = createClient({ clock: ports.clock, uuid: () => ports.random.uuid(), operations, warn });
    // Let go behind the client, whose end lets steps finish that run.
    let detach = (): void => {};
    owner.own('workflows', () => detach());
    owner.own('client', () => client.close(), 15_000);
    const listens = app !== undefined && options.listen !== false && place.mode !== 'in-process';
    const port = listens ? await listen(app, place, { ports, owner }) : undefined;
    detach = attachWorkflows(app?.workflows, { ports, operations: operations.workflows, warn });
    if (app !== undefined && operations.hostActors !== undefined && app.actors.types().length > 0)
      owner.own('actors', await operations.hostActors(app.actors), 10_000);
    return {
      mode: place.mode,
      client,
      port,
      async close() {
        await owner.close();
      },
    };
  } catch (error) {
    await owner.close();
    throw error;
  }
}

// A message of a work stream holds one payload of each kind at most, and what JSON adds to it.
const workBytesMax = 64 * 1024 * 1024;

async function openRemote(place: Place, ports: Ports, app: App | undefined): Promise<Operations> {
  const token = place.apiToken === undefined ? {} : { apiToken: place.apiToken };
  const { http, grpc: grpcAddress } = place;
  const workflows = lazyWorkflows(async () => {
    if (grpcAddress === undefined)
      throw new ProaError('unimplemented', 'workflows need the gRPC port of the runtime', { hint: 'set DAPR_GRPC_PORT as well' });
    const [{ createRemoteWorkflows }, { createGrpcLink }] = await Promise.all([
      import('./workflow/remote-operations.ts'),
      import('./grpc-link.ts'),
    ]);
    const link = createGrpcLink({ ports, address: grpcAddress, ...token, messageBytesMax: workBytesMax });
    return { workflows: createRemoteWorkflows(link), close: () => link.close() };
  });
  const grpc = async (address: Address): Promise<Operations> => {
    const [{ createGrpcOperations }, { createGrpcLink }] = await Promise.all([import('./grpc-operations.ts'), import('./grpc-link.ts')]);
    return createGrpcOperations(createGrpcLink({ ports, address, ...token, messageBytesMax: limits.bodyBytes }), workflows);
  };
  if (place.mode === 'grpc') return grpc(grpcAddress as Address);
  const { createHttpOperations } = await import('./http-operations.ts');
  return createHttpOperations({
    network: ports.network,
    clock: ports.clock,
    address: http as Address,
    ...token,
    answerBytesMax: limits.bodyBytes,
    workflows,
    ...(grpcAddress !== undefined && { streams: lazily(() => grpc(grpcAddress)) }),
    ...(app !== undefined && { onConfiguration: (id, changed) => app.onConfiguration(id, changed) }),
  });
}

// gRPC's code is loaded with the first stream.
function lazily(open: () => Promise<Operations>): Pick<Operations, 'subscribe' | 'close'> {
  let opened: Promise<Operations> | undefined;
  return {
    async subscribe(spec, receive) {
      opened ??= open();
      return (await opened).subscribe(spec, receive);
    },
    async close() {
      await (await opened)?.close();
    },
  };
}

async function listen(app: App, place: Place, { ports, owner }: { readonly ports: Ports; readonly owner: Owner }): Promise<number> {
  const address = { host: loopback, port: place.appPort };
  const token = place.appToken === undefined ? {} : { appToken: place.appToken };
  try {
    if (place.mode === 'grpc') {
      const { serveAppGrpc } = await import('./app-grpc.ts');
      const server = await serveAppGrpc(app, { ports, address, ...token, messageBytesMax: limits.bodyBytes });
      owner.own('app', () => server.close(), 10_000);
      return portOf(server.address);
    }
    const { serveAppHttp } = await import('./http-server.ts');
    const server = await serveAppHttp(app, { ports, address, ...token, bodyBytesMax: limits.bodyBytes });
    owner.own('app', () => server.drain(), 10_000);
    return portOf(server.address);
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'EADDRINUSE') throw cause;
    throw new ProaError('config.port-taken', `port ${place.appPort} is in use by another process`, { cause });
  }
}

function portOf(address: Address | undefined): number {
  return address === undefined || 'path' in address ? 0 : address.port;
}
