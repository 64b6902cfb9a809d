import { derive } from '../../kernel/call.ts';
import { withoutHeader } from '../../contracts/header-pairs.ts';
import type { HttpMiddleware } from '../../contracts/middleware.ts';
import { uppercaseBody } from './uppercase-body.ts';

/** Turns the text of request bodies, response bodies or both into capitals. */
export function uppercase(direction: 'request' | 'response' | 'both'): HttpMiddleware {
  return {
    filter: (next) => async (call) => {
      const changed = direction === 'response' ? call : derive(call, { input: capitals(call.input) });
      const response = await next(changed);
      return direction === 'request' ? response : capitals(response);
    },
    close: async () => {},
  };
}

function capitals<Message extends { readonly headers: readonly string[]; readonly body: Parameters<typeof uppercaseBody>[0] }>(
  message: Message,
): Message {
  const body = uppercaseBody(message.body);
  return { ...message, headers: body.length === 0 ? message.headers : withoutHeader(message.headers, 'content-length'), body };
}
