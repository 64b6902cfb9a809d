import type { ActorAnswer, ActorCallback, ActorCallbackAnswer, ActorHost } from '../../contracts/actor-host.ts';
import type { AppChannel, InvokeRequest } from '../../contracts/app-channel.ts';
import { firstHeader } from '../../contracts/header-pairs.ts';
import { bytesBody, collectSoon, emptyBody } from '../../kernel/body.ts';
import { withInput, type Call } from '../../kernel/call.ts';
import { isProaError, ProaError } from '../../kernel/errors.ts';
import { problemType, readProblem } from '../../kernel/problem.ts';
import { actorPath } from './actor-names.ts';

export interface AppActorHostOptions {
  readonly channel: () => AppChannel | undefined;
  readonly appId: string;
  readonly namespace: string;
  readonly answerBytesMax: number;
}

const json = ['content-type', 'application/json'] as const;
const textMax = 512;

/** Actors of an app that listens for HTTP (Dapr reference 5.3). */
export function createAppActorHost(options: AppActorHostOptions): ActorHost {
  return {
    invoke(call) {
      const { path, query, headers, body } = call.input;
      return exchange(options, call, { httpMethod: 'PUT', path, query, headers, body });
    },
    remind: (call) => due(options, call, 'remind'),
    timer: (call) => due(options, call, 'timer'),
    async deactivate(call) {
      const { type, id } = call.input;
      await exchange(options, call, {
        httpMethod: 'DELETE',
        path: `actors/${type}/${id}`,
        query: '',
        headers: [],
        body: emptyBody,
      });
    },
  };
}

type Request = Pick<InvokeRequest, 'httpMethod' | 'path' | 'query' | 'headers' | 'body'>;

function exchange(options: AppActorHostOptions, call: Call<unknown>, request: Request): Promise<ActorAnswer> {
  const channel = options.channel();
  if (channel === undefined) return Promise.reject(new ProaError('unavailable', 'no app is connected that could run the actor'));
  const { appId, namespace, answerBytesMax } = options;
  const { httpMethod, path, query, headers, body: sending } = request;
  const sent = withInput(call, { appId, namespace, httpMethod, path, query, headers, body: sending, replayable: true });
  return channel.invoke(sent).then(({ status, headers: answered, body }) => {
    const read = collectSoon(body, answerBytesMax);
    return read instanceof Promise
      ? read.then((bytes) => checked({ status, headers: answered, data: bytes }))
      : checked({ status, headers: answered, data: read });
  });
}

/** Every status but success is an error of the actor; 404 says that there is no such method, which no repetition changes. */
function checked(answer: ActorAnswer): ActorAnswer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  const text = Buffer.from(answer.data).toString('utf8').slice(0, textMax);
  // An app of ours says which error it was.
  const problem =
    firstHeader(answer.headers, 'content-type')?.startsWith(problemType) === true
      ? readProblem(Buffer.from(answer.data).toString('utf8'))
      : undefined;
  if (problem !== undefined) throw problem;
  const message = `error from actor service: ${text === '' ? `the app answered ${answer.status}` : text}`;
  if (answer.status === 404) throw new ProaError('actor.no-method', message);
  throw new ProaError('actor.invoke', message, { details: { metadata: { status: String(answer.status) } } });
}

async function due(options: AppActorHostOptions, call: Call<ActorCallback>, kind: 'remind' | 'timer'): Promise<ActorCallbackAnswer> {
  const { type, id, name } = call.input;
  const path = actorPath(type, id, `${kind}/${name}`);
  const request = { httpMethod: 'PUT', path, query: '', headers: json, body: bytesBody(bodyOf(call.input)) };
  const answer = await exchange(options, call, request);
  return { cancel: firstHeader(answer.headers, 'x-daprremindercancel') === 'true' };
}

function bodyOf({ callback, data, dueTime, period }: ActorCallback): Uint8Array {
  const head = callback === undefined ? '' : `"callback":${JSON.stringify(callback)},`;
  const value = data === undefined ? '' : `"data":${data},`;
  return Buffer.from(`{${head}${value}"dueTime":${JSON.stringify(dueTime)},"period":${JSON.stringify(period)}}`);
}

/** True when the failure says nothing about the actor: the app was not reached. */
export function notReached(error: unknown): boolean {
  return isProaError(error) && (error.code === 'unavailable' || error.code === 'invoke.unreachable' || error.code === 'app-channel-nil');
}
