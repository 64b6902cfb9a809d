import * as grpc from '@grpc/grpc-js';
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema, type FileDescriptorProto } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { echoClient, refereeClient, refereeServer, transport } from '../../../test/fixtures/grpc-echo.ts';
import { Dapr } from '../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { AppCallback } from '../../gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ProaError } from '../../kernel/errors.ts';
import { nodeClock } from '../../ports/node/clock.ts';
import { createNodeNetwork } from '../../ports/node/network.ts';
import { codecOf } from './client.ts';
import { createHealth, type HealthService } from './health.ts';
import { implement } from './method.ts';
import { listServices } from './reflection-client.ts';
import { reflectionMethods } from './reflection.ts';
import { createGrpcServer } from './server.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function rig() {
  const health: HealthService = createHealth([Dapr.typeName]);
  const server = await createGrpcServer({
    clock: nodeClock,
    transport,
    address: { host: '127.0.0.1', port: 0 },
    methods: [
      ...implement(Dapr, {
        async getState(request) {
          if (request.key === '') throw new ProaError('state.illegal-key', 'the key is empty');
          return { data: Buffer.from(request.key), etag: '1', metadata: request.metadata };
        },
        async subscribeConfiguration(request, _call, out) {
          for (const key of request.keys) await out.write({ id: key, items: { [key]: { value: 'v' } } });
        },
      }),
      ...health.methods,
      ...reflectionMethods([Dapr, Health]),
    ],
  });
  const address = server.address as { host: string; port: number };
  const client = echoClient({ address });
  closers.push(
    () => server.close(0),
    () => client.close(),
  );
  return { health, server, client, port: address.port };
}

describe('generated services', () => {
  it('are served and called by their descriptors, and understood by others', async () => {
    const { client, port } = await rig();
    const reply = await client.unary(codecOf(Dapr.method.getState), { storeName: 's', key: 'k', metadata: { a: 'b' } });
    expect(reply).toMatchObject({ etag: '1', metadata: { a: 'b' } });
    expect(Buffer.from(reply.data).toString()).toBe('k');
    const stream = await client.stream(codecOf(Dapr.method.subscribeConfiguration));
    await stream.write({ keys: ['x', 'y'] });
    stream.end();
    const ids: string[] = [];
    for await (const update of stream) ids.push(update.id);
    expect(ids).toEqual(['x', 'y']);
    await expect(client.unary(codecOf(Dapr.method.getState), { key: '' })).rejects.toMatchObject({
      code: 'state.illegal-key',
      details: { reason: 'DAPR_STATE_ILLEGAL_KEY' },
    });
    await expect(client.unary(codecOf(Dapr.method.saveState), {})).rejects.toMatchObject({ code: 'unimplemented' });
    // Bytes that are no message are the caller's mistake.
    const { error } = await new Promise<{ error: grpc.ServiceError | null }>((resolve) => {
      const referee = refereeClient(port);
      closers.push(() => referee.close());
      referee.makeUnaryRequest(
        '/dapr.proto.runtime.v1.Dapr/GetState',
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.from([0xff, 0xff]),
        (failed) => resolve({ error: failed }),
      );
    });
    expect(error?.code).toBe(grpc.status.INVALID_ARGUMENT);
  });
});

describe('the health service', () => {
  it('checks, lists and watches', async () => {
    const { client, health } = await rig();
    const check = codecOf(Health.method.check);
    expect(await client.unary(check, {})).toMatchObject({ status: ServingStatus.SERVING });
    await expect(client.unary(check, { service: 'nope' })).rejects.toMatchObject({ code: 'not-found' });
    const watch = await client.stream(codecOf(Health.method.watch));
    await watch.write({ service: 'later' });
    watch.end();
    const iterator = watch[Symbol.asyncIterator]();
    const next = async () => (await iterator.next()).value?.status;
    expect(await next()).toBe(ServingStatus.SERVICE_UNKNOWN);
    health.set('other', true);
    health.set('later', true);
    expect(await next()).toBe(ServingStatus.SERVING);
    health.set('later', false);
    expect(await next()).toBe(ServingStatus.NOT_SERVING);
    const { statuses } = await client.unary(codecOf(Health.method.list), {});
    expect(Object.keys(statuses).toSorted()).toEqual(['', 'dapr.proto.runtime.v1.Dapr', 'later', 'other']);
    watch.cancel();
    await expect(iterator.next()).rejects.toMatchObject({ code: 'cancelled' });
  });
});

function importedFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const ordered = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto): void => {
    for (const name of file.dependency) add(files.find((one) => one.name === name)!);
    ordered.add(file);
  };
  files.forEach(add);
  return [...ordered];
}

describe('server reflection', () => {
  it('lists services in both versions, and gives descriptors that are complete', async () => {
    const { client } = await rig();
    expect(await listServices(client)).toEqual([
      'dapr.proto.runtime.v1.Dapr',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
    const info = codecOf(ServerReflection.method.serverReflectionInfo);
    for (const path of [info.path, info.path.replace('.v1.', '.v1alpha.')]) {
      const stream = await client.stream({ ...info, path });
      await stream.write({ messageRequest: { case: 'fileContainingSymbol', value: 'dapr.proto.runtime.v1.Dapr.GetState' } });
      await stream.write({ messageRequest: { case: 'fileByFilename', value: 'google/protobuf/any.proto' } });
      await stream.write({ messageRequest: { case: 'fileContainingSymbol', value: 'no.such.Thing' } });
      await stream.write({});
      stream.end();
      const responses = [];
      for await (const response of stream) responses.push(response.messageResponse);
      const [dapr, any, missing, empty] = responses;
      if (dapr?.case !== 'fileDescriptorResponse' || any?.case !== 'fileDescriptorResponse') throw new Error('no descriptors');
      const file = dapr.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
      const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: importedFirst(file) }));
      expect(registry.getService('dapr.proto.runtime.v1.Dapr')?.methods.length).toBe(Dapr.methods.length);
      expect(any.value.fileDescriptorProto.length).toBe(1);
      expect(missing).toMatchObject({ case: 'errorResponse', value: { errorCode: 5 } });
      expect(empty).toMatchObject({ case: 'errorResponse', value: { errorCode: 3 } });
    }
  });

  it('is missed politely', async () => {
    const { server, port } = await refereeServer();
    const client = echoClient({ address: { host: '127.0.0.1', port } });
    closers.push(
      () => client.close(),
      () => server.forceShutdown(),
    );
    await expect(listServices(client)).rejects.toMatchObject({ code: 'unimplemented', message: 'the server has no reflection service' });
  });
});

describe('connections that somebody else accepted', () => {
  it('are served, with the bytes that were read before', async () => {
    const network = createNodeNetwork();
    const server = await createGrpcServer({ clock: nodeClock, transport, methods: reflectionMethods([AppCallback]) });
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      connection.handlers = {
        // As an HTTP/1.1 port does that finds the preface of HTTP/2.
        data(chunk) {
          expect(Buffer.from(chunk.subarray(0, 14)).toString()).toBe('PRI * HTTP/2.0');
          server.accept(connection, chunk);
        },
        end() {},
        drain() {},
        close() {},
      };
    });
    const client = echoClient({ address: listener.address });
    expect(await listServices(client)).toContain('dapr.proto.runtime.v1.AppCallback');
    expect(toBinary(FileDescriptorProtoSchema, AppCallback.file.proto).length).toBeGreaterThan(100);
    client.close();
    await server.close(1_000);
    await listener.close();
  });
});
