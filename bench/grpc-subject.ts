// The processes of grpc.mjs that are ours: `app <port>` answers every call with a constant, `grpc-js <port> <upstream port>` is a proxy by grpc-js.
import * as grpc from '@grpc/grpc-js';
import { nodeClock } from '../src/ports/node/clock.ts';
import { createNodeNetwork } from '../src/ports/node/network.ts';
import { defaultHttp2Limits } from '../src/wire/http2/http2.ts';
import { createOwnHttp2 } from '../src/wire/http2/own-http2.ts';
import { stableHeaders } from '../src/wire/http2/stable-headers.ts';

const [mode, port, upstreamPort] = process.argv.slice(2);
if (mode === 'app') await serveConstant();
else proxyByGrpcJs();
process.on('SIGINT', () => process.exit(0));

async function serveConstant(): Promise<void> {
  const head = stableHeaders([':status', '200', 'content-type', 'application/grpc']);
  const trailers = stableHeaders(['grpc-status', '0']);
  const message = Buffer.concat([Buffer.from([0, 0, 0, 0, 64]), Buffer.alloc(64, 0x61)]);
  await createOwnHttp2({ clock: nodeClock, network: createNodeNetwork() }).serve({
    address: { host: '127.0.0.1', port: Number(port) },
    limits: { ...defaultHttp2Limits, streamsMax: 1000 },
    keepAlive: { intervalMs: 60_000, timeoutMs: 20_000 },
    stream: (stream) => ({
      headers() {},
      data() {},
      end() {
        stream.sendHeaders(head);
        stream.write(message);
        stream.end(trailers);
      },
      drain() {},
      close() {},
    }),
  });
}

function proxyByGrpcJs(): void {
  const bytes = (value: Buffer): Buffer => value;
  const path = '/bench.Echo/Call';
  const client = new grpc.Client(`127.0.0.1:${upstreamPort}`, grpc.credentials.createInsecure());
  const server = new grpc.Server();
  const method = { path, requestStream: false, responseStream: false, requestSerialize: bytes, requestDeserialize: bytes } as const;
  server.addService(
    { call: { ...method, responseSerialize: bytes, responseDeserialize: bytes } },
    {
      call(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
        client.makeUnaryRequest(path, bytes, bytes, call.request, call.metadata, (error, value) => done(error, value ?? null));
      },
    },
  );
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), () => {});
}
