import { ProaError } from '../../../kernel/errors.ts';
import { noContent } from '../reply.ts';
import { route, type Route } from '../route.ts';

/** The API whose block is not part of this version: it says so instead of pretending to be an unknown path (Dapr reference 3). */
export const unimplementedRoutes: readonly Route[] = ['/v1.0-alpha1', '/v1.0-alpha2'].map((version) =>
  route({
    methods: ['POST'],
    path: `${version}/conversation/{name}/converse`,
    name: 'Converse',
    group: 'conversation',
    operation: { block: 'conversation', name: 'Converse', idempotent: true },
    decode: () => undefined,
    service: () => () => Promise.reject(new ProaError('unimplemented', 'this version of Proa does not implement the conversation API')),
    encode: () => noContent,
  }),
);
