import type { AppChannel } from '../contracts/app-channel.ts';
import { bytesBody, collectSoon } from '../kernel/body.ts';
import { ProaError } from '../kernel/errors.ts';
import { limits } from '../kernel/limits.ts';
import { tracedHeaders } from '../kernel/trace-context.ts';
import type { App } from '../sdk/app.ts';
import { plainBytes } from '../wire/grpc/any-json.ts';

/** An app whose handlers are functions of this process: no socket, no text between runtime and app. */
export function createFunctionChannel(app: App): AppChannel {
  return {
    protocol: 'http',
    address: 'in-process',
    async invoke({ input, cancel, context }) {
      const { path, httpMethod, query, headers } = input;
      const body = await collectSoon(input.body, limits.bodyBytes);
      const answer = await app.receive({ path, httpMethod, query, headers: tracedHeaders(headers, context), body, cancel });
      return { status: answer.status, headers: answer.headers, body: bytesBody(answer.body) };
    },
    reachable: () => Promise.resolve(true),
    health: () => Promise.resolve(true),
    config: () => Promise.resolve(undefined),
    subscriptions: () => Promise.resolve(app.subscriptions()),
    inputBindings: (routes) => Promise.resolve(new Set(app.bindings().filter((name) => routes.has(name)))),
    event: ({ input }) => app.event(input),
    bulkEvent: ({ input }) => app.bulkEvent(input),
    binding: ({ input: { name, data, metadata } }) => app.binding(name, data, metadata),
    async job({ input: { name, data } }) {
      try {
        await app.job(name, await plainBytes(data));
        return { status: 'done' };
      } catch (thrown) {
        const { code, message } = ProaError.from(thrown);
        return { status: code === 'not-found' ? 'missing' : 'failed', error: message };
      }
    },
    configuration({ input: { id, items } }) {
      app.configurationChanged(id, items);
      return Promise.resolve();
    },
    // Questions are answered in the same turn: none is under way.
    giveUpQuestions() {},
    close: () => Promise.resolve(),
  };
}
