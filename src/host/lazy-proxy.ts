import type { AppChannel } from '../contracts/app-channel.ts';
import type { BlockContext } from '../contracts/block-context.ts';
import type { GrpcAppChannel } from '../fronts/app/grpc-channel.ts';
import type { ProxyReceive } from './grpc-proxy.ts';

/** Takes proxied calls for an app; what does so is loaded with the first of them, together with the rest of gRPC. */
export function lazyProxy({ govern, appId, namespace }: BlockContext, channel: () => AppChannel | undefined): ProxyReceive {
  let loading: Promise<ProxyReceive> | undefined;
  let receive: ProxyReceive | undefined;
  const grpcChannel = (): GrpcAppChannel | undefined => {
    const now = channel();
    return now?.protocol === 'grpc' ? (now as GrpcAppChannel) : undefined;
  };
  return (headers, caller, handlers) => {
    if (receive !== undefined) return receive(headers, caller, handlers);
    loading ??= import('./grpc-proxy.ts').then(({ createProxyReceive }) => {
      receive = createProxyReceive({ govern, appId, namespace, channel: grpcChannel });
      return receive;
    });
    return loading.then((made) => made(headers, caller, handlers));
  };
}
