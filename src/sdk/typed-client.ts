import type { Client } from './client.ts';
import { checked, examined, type AnyContract, type EventContract, type TypedClient } from './contract.ts';
import type { OnMisfit } from './dropped-events.ts';
import type { TopicEvent } from './event.ts';

/** The functions of a contract over a client. */
export function typedClient<C extends AnyContract>(contract: C, client: Client, misfit: OnMisfit): TypedClient<C> {
  const { app, methods = {}, events = {} } = contract;
  const call = mapped(methods, (method, name) => async (input: unknown, options = {}) => {
    const what = `the input of ${app}.${name}`;
    const sent = await checked(method.input, input, { what, code: 'bad-request' });
    const answer = await client.invoke(app, name, sent ?? null, options);
    return checked(method.output, answer, { what: `the answer of ${app}.${name}`, code: 'malformed-response' });
  });
  const publish = mapped(events, ({ pubsub, topic, data }) => async (value: unknown, options = {}) => {
    await client.publish(pubsub, topic, await checked(data, value, { what: `an event of ${topic}`, code: 'bad-request' }), options);
  });
  const subscribe = mapped(
    events,
    (event) =>
      (handler: (event: TopicEvent) => unknown, options = {}) =>
        client.subscribe(event.pubsub, event.topic, checkedHandler(event, handler, misfit), options),
  );
  return { call, publish, subscribe } as unknown as TypedClient<C>;
}

/** A handler that sees only what fits; what does not is told and dropped. */
export function checkedHandler(contract: EventContract, handler: (event: TopicEvent) => unknown, misfit: OnMisfit) {
  return async (event: TopicEvent) => {
    const result = await examined(contract.data, event.data);
    if (result.issues === undefined) return (await handler({ ...event, data: result.value })) as undefined;
    misfit(contract, event.data, result.issues);
    return 'drop' as const;
  };
}

function mapped<T, R>(record: Readonly<Record<string, T>>, make: (value: T, name: string) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, make(value, name)]));
}
