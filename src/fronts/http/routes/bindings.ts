import { failureMetadata } from '../../../blocks/bindings/index.ts';
import { errorReply } from '../error-reply.ts';
import { JsonFields } from '../json-fields.ts';
import { metadataHeaders, type Reply } from '../reply.ts';
import { route, type Route } from '../route.ts';
import { param } from './state.ts';

/** Output bindings over HTTP (Dapr reference 4.3). The component receives `data` as its JSON text. */
export const bindingRoutes: readonly Route[] = [
  route({
    methods: ['POST', 'PUT'],
    path: '/v1.0/bindings/{name}',
    name: 'InvokeBinding',
    group: 'bindings',
    operation: { block: 'bindings', name: 'invoke', idempotent: false },
    async decode(request) {
      const fields = new JsonFields(await request.text());
      return {
        name: param(request, 'name'),
        operation: fields.text('operation') ?? '',
        data: Buffer.from(fields.raw('data') ?? '', 'utf8'),
        metadata: { ...fields.texts('metadata') },
      };
    },
    service: (blocks) => blocks.bindings.invoke,
    encode(response): Reply {
      const headers = metadataHeaders(response.metadata);
      const { data } = response;
      if (data === undefined) return { status: 204, headers };
      return { status: 200, headers: ['content-type', response.contentType ?? 'application/json', ...headers], body: data };
    },
    failed: (error) => errorReply(error, metadataHeaders(failureMetadata(error))),
  }),
];
