import type { Service } from '../../kernel/service.ts';
import type { InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';

export type { AppBindingAnswer, AppChannel, AppConfig, InvokeRequest, InvokeResponse } from '../../contracts/app-channel.ts';
export type { HttpClient, HttpClientRequest, HttpClientResponse } from '../../contracts/http-client.ts';
export { createInvokeBlock, type InvokeDependencies } from './invoke-block.ts';

/**
 * Calls from app to app (Dapr reference 6). Outbound: `call` finds the target (this app, an app of this process, of this
 * machine, an HTTPEndpoint, a URL) and streams both bodies. Inbound: `receive` takes what peers send for the own app.
 */
export interface InvokeBlock {
  readonly call: Service<InvokeRequest, InvokeResponse>;
  readonly receive: Service<InvokeRequest, InvokeResponse>;
  close(): Promise<void>;
}
