import type { ComponentSet } from '../contracts/component-set.ts';
import type { HttpMiddleware, HttpRequest, HttpResponse } from '../contracts/middleware.ts';
import { ProaError } from '../kernel/errors.ts';
import type { Service } from '../kernel/service.ts';
import type { PipelineHandler } from './config/model.ts';

/**
 * The middleware that a pipeline of the Configuration names, by component name. Each asks for its component with every call, so that one that was
 * loaded again takes effect at once. Fails with `config.invalid` for a name that there is not.
 */
export function middlewareOf(
  pipeline: 'httpPipeline' | 'appHttpPipeline',
  handlers: readonly PipelineHandler[],
  components: ComponentSet<'middleware'>,
): HttpMiddleware[] {
  return handlers.map(({ name, type }) => {
    if (components.get(name) === undefined)
      throw new ProaError('config.invalid', `${pipeline} names the middleware "${name}" (${type}), but there is no such component`);
    return current(name, components);
  });
}

function current(name: string, components: ComponentSet<'middleware'>): HttpMiddleware {
  return {
    filter(next) {
      let driver: HttpMiddleware | undefined;
      let service: Service<HttpRequest, HttpResponse> | undefined;
      return (call) => {
        const now = components.get(name)?.driver;
        if (now === undefined) {
          call.input.body.discard();
          return Promise.reject(new ProaError('unavailable', `the middleware "${name}" was removed`));
        }
        if (now !== driver || service === undefined) {
          driver = now;
          service = now.filter(next);
        }
        return service(call);
      };
    },
    // The component manager closes components.
    close: () => Promise.resolve(),
  };
}
