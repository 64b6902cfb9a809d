import * as v from 'valibot';
import type { DriverDefinition, DriverKind } from '../../contracts/driver.ts';
import { InputBinding, OutputBinding } from '../../gen/dapr/proto/components/v1/bindings_pb.ts';
import { PubSub } from '../../gen/dapr/proto/components/v1/pubsub_pb.ts';
import { SecretStore } from '../../gen/dapr/proto/components/v1/secretstore_pb.ts';
import {
  QueriableStateStore,
  StateStore,
  TransactionalStateStore,
  TransactionalStoreMultiMaxSize,
} from '../../gen/dapr/proto/components/v1/state_pb.ts';
import { defineDriver } from '../../contracts/driver.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Ports } from '../../kernel/ports.ts';
import { createGrpcClient } from '../../wire/grpc/client.ts';
import { http2Transport } from '../../wire/http2/transport.ts';
import { listServices } from '../../wire/grpc/reflection-client.ts';
import { openBinding } from './bindings.ts';
import { openPubSub } from './pubsub.ts';
import { openSecrets } from './secrets.ts';
import { openState } from './state.ts';

const answerTimeoutMs = 5_000;
const socketsMax = 100;

/** What a socket of a pluggable component adds to the driver index. */
export interface PluggableDriver {
  readonly kind: DriverKind;
  load(): Promise<DriverDefinition>;
}

/**
 * The component types that the sockets of a folder serve, as Dapr finds them: each socket is asked by reflection for its services, its file name
 * without extension is the type's name. A socket that does not answer within 5 s is left out, with a warning that names it.
 */
export async function discoverPluggable(ports: Ports, log: Logger, folder: string): Promise<Record<string, PluggableDriver>> {
  const names = (await ports.disk.list(folder)).toSorted();
  if (names.length > socketsMax) log.warn(`${folder} holds ${names.length} files, only the first ${socketsMax} are looked at`);
  const found = await Promise.all(names.slice(0, socketsMax).map((name) => driversOf(ports, log, `${folder}/${name}`)));
  return Object.assign({}, ...found) as Record<string, PluggableDriver>;
}

async function driversOf(ports: Ports, log: Logger, socket: string): Promise<Record<string, PluggableDriver>> {
  const stat = await ports.disk.stat(socket);
  if (stat === undefined || stat.kind === 'directory') return {};
  if (stat.kind === 'file') {
    log.warn(`${socket} is no socket: it cannot serve a component`);
    return {};
  }
  try {
    const definitions = definitionsOf(socket, await servicesOf(ports, socket));
    for (const { types } of definitions) log.info(`component type ${types.join(', ')} is served by ${socket}`);
    return Object.fromEntries(
      definitions.flatMap((definition) => definition.types.map((type) => [type, { kind: definition.kind, load: async () => definition }])),
    );
  } catch (error) {
    log.warn(`${socket} does not say which components it serves; its types are not available`, { error: String(error) });
    return {};
  }
}

async function servicesOf(ports: Ports, socket: string): Promise<Set<string>> {
  const { clock, random } = ports;
  const client = createGrpcClient({
    clock,
    random,
    transport: http2Transport(ports),
    address: { path: socket },
    connectTimeoutMs: answerTimeoutMs,
  });
  try {
    return new Set(await listServices(client, { deadlineMs: clock.mono() + answerTimeoutMs }));
  } finally {
    client.close();
  }
}

function definitionsOf(socket: string, services: ReadonlySet<string>): DriverDefinition[] {
  const file = socket.slice(socket.lastIndexOf('/') + 1);
  const name = (file.lastIndexOf('.') < 0 ? file : file.slice(0, file.lastIndexOf('.'))).toLowerCase();
  const has = (service: { readonly typeName: string }): boolean => services.has(service.typeName);
  const input = has(InputBinding);
  const output = has(OutputBinding);
  const shared = { versions: ['v0', 'v1'], status: 'stable', capabilities: [], config: anyProperties } as const;
  return [
    ...(has(StateStore) ? [stateDriver(socket, name, services)] : []),
    ...(has(PubSub)
      ? [
          defineDriver({
            ...shared,
            kind: 'pubsub',
            types: [`pubsub.${name}`],
            open: (config, context) => openPubSub(socket, config, context),
          }),
        ]
      : []),
    ...(input || output
      ? [
          defineDriver({
            ...shared,
            kind: 'bindings',
            types: [`bindings.${name}`],
            capabilities: [...(input ? ['INPUT_BINDING'] : []), ...(output ? ['OUTPUT_BINDING'] : [])],
            open: (config, context) => openBinding(socket, config, context, { input, output }),
          }),
        ]
      : []),
    ...(has(SecretStore)
      ? [
          defineDriver({
            ...shared,
            kind: 'secretstores',
            types: [`secretstores.${name}`],
            open: (config, context) => openSecrets(socket, config, context),
          }),
        ]
      : []),
  ] as DriverDefinition[];
}

// Only the component knows its properties; it judges them at Init.
const anyProperties = v.record(v.string(), v.string());

function stateDriver(socket: string, name: string, services: ReadonlySet<string>) {
  return defineDriver({
    kind: 'state',
    types: [`state.${name}`],
    versions: ['v0', 'v1'],
    status: 'stable',
    capabilities: [],
    config: anyProperties,
    open: (config, context) =>
      openState(socket, config, context, {
        transactional: services.has(TransactionalStateStore.typeName),
        queriable: services.has(QueriableStateStore.typeName),
        multiMaxSize: services.has(TransactionalStoreMultiMaxSize.typeName),
      }),
  });
}
