import { ProaError } from '../../../kernel/errors.ts';
import { noContent } from '../reply.ts';
import { route, type Route } from '../route.ts';

/** APIs whose blocks are not part of this version: they say so instead of pretending to be unknown paths (Dapr reference 3). */
export const unimplementedRoutes: readonly Route[] = [
  ...['/v1.0-alpha1', '/v1.0-alpha2'].flatMap((version) =>
    missing('conversation', ['POST'], `${version}/conversation/{name}/converse`, 'Converse'),
  ),
];

function missing(group: string, methods: readonly string[], path: string, name: string): Route[] {
  return [
    route({
      methods,
      path,
      name,
      group,
      operation: { block: group, name, idempotent: true },
      decode: () => undefined,
      service: () => () => Promise.reject(new ProaError('unimplemented', `this version of Proa does not implement the ${group} API`)),
      encode: () => noContent,
    }),
  ];
}
