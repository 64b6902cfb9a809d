import type { HttpMiddleware, HttpRequest, HttpResponse } from '../../blocks/runtime/index.ts';
import type { Service } from '../../kernel/service.ts';

/** An HTTP request to the app and its answer, as middleware sees them. */
export type AppService = Service<HttpRequest, HttpResponse>;

/** `appHttpPipeline`: the handlers around calls into the app, the first of the Configuration outermost. */
export function createAppPipeline(handlers: readonly HttpMiddleware[]): (service: AppService) => AppService {
  return (service) => handlers.reduceRight((next, handler) => handler.filter(next), service);
}
