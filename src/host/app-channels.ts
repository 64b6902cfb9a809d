import type { AppChannel } from '../contracts/app-channel.ts';
import type { HttpClient } from '../contracts/http-client.ts';
import { createHttpChannel } from '../fronts/app/http-channel.ts';
import type { Ports } from '../kernel/ports.ts';
import type { AppSpec } from './host-api.ts';

export interface OpenChannelOptions {
  readonly ports: Ports;
  readonly spec: AppSpec;
  readonly appPort: number;
  readonly client: HttpClient;
}

/** The channel that the app's protocol needs; gRPC's code is loaded only for gRPC apps. */
export async function openAppChannel({ ports, spec, appPort, client }: OpenChannelOptions): Promise<AppChannel> {
  const address = { host: spec.appChannelAddress, port: appPort };
  const appToken = ports.process.env('APP_API_TOKEN') ?? '';
  const maxConcurrency = spec.appMaxConcurrency ?? -1;
  if (spec.appProtocol === 'grpc' || spec.appProtocol === 'grpcs') {
    const { createGrpcChannel } = await import('../fronts/app/grpc-channel.ts');
    return createGrpcChannel({
      ports,
      address,
      tls: spec.appProtocol === 'grpcs',
      appToken,
      maxConcurrency,
      messageBytesMax: spec.bodyBytesMax,
    });
  }
  return createHttpChannel({
    ports,
    client,
    address,
    // Apps of this machine use certificates of their own making: who listens on loopback is known already.
    ...(spec.appProtocol === 'https' ? { tls: { serverName: spec.appChannelAddress, insecure: true } } : {}),
    appToken,
    maxConcurrency,
    answerBytesMax: spec.bodyBytesMax,
  });
}
