import { create, type DescMessage, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type MethodDefinition, type sendUnaryData, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JobEventRequestSchema, JobEventResponseSchema } from '../../src/gen/dapr/proto/runtime/v1/appcallback_pb.ts';
import * as messages from '../../src/gen/dapr/proto/runtime/v1/jobs_pb.ts';
import { startApp, type TestApp } from '../integration/test-app.ts';
import { createMachine, eventually, freePort, startSidecar, type TestMachine, type TestSidecar } from './sidecar.ts';

// The SDK has no client for jobs, and half of the code that it ships for these messages does not load; its descriptors are compared with ours elsewhere. The outside party here is grpc-js.
const jobs = messages as unknown as Readonly<Record<string, DescMessage>>;

/** A method of grpc-js over two messages of the SDK. */
function methodOf(path: string, asked: DescMessage, answered: DescMessage): MethodDefinition<object, object> {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: (message) => Buffer.from(toBinary(asked, message as never)),
    requestDeserialize: (bytes) => fromBinary(asked, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(answered, message as never)),
    responseDeserialize: (bytes) => fromBinary(answered, bytes),
  };
}

interface JobEvent {
  readonly name: string;
  readonly method: string;
  readonly contentType: string;
  readonly httpExtension: { readonly verb: number };
  readonly data: { readonly value: Uint8Array };
}

let machine: TestMachine;

beforeAll(() => {
  machine = createMachine();
});
afterAll(() => machine.remove());

const post = (sidecar: TestSidecar, path: string, body: unknown): Promise<Response> =>
  sidecar.get(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

describe.each(['/v1.0', '/v1.0-alpha1'])('jobs of an HTTP app under %s', (version) => {
  let app: TestApp;
  let sidecar: TestSidecar;
  const failing = new Map<string, number>();

  beforeAll(async () => {
    app = await startApp(({ path }) => {
      if (!path.startsWith('/job/')) return undefined;
      const left = failing.get(path) ?? 0;
      failing.set(path, left - 1);
      if (path === '/job/nobody') return { status: 404 };
      return { status: left > 0 ? 500 : 200 };
    });
    sidecar = await startSidecar({ appId: `http${version.length}`, appPort: app.port, machine });
    await sidecar.ready();
  });
  afterAll(async () => {
    expect(await sidecar?.stop()).toBe(0);
    await app?.close();
  });

  const calls = (name: string): TestApp['received'] => app.received.filter(({ path }) => path === `/job/${name}`);

  it('schedules, tells what it keeps, and calls the app with the JSON that was given', async () => {
    const given = {
      dueTime: '1h',
      data: { text: 'hallo', list: [1, null, true] },
      failurePolicy: { constant: { interval: '2s', maxRetries: 1 } },
    };
    // What is due soon may have run and be forgotten before it is asked for.
    const answer = await post(sidecar, `${version}/jobs/hello`, given);
    expect([answer.status, await answer.text()]).toEqual([204, '']);
    const job = (await (await sidecar.get(`${version}/jobs/hello`)).json()) as unknown;
    expect(job).toEqual({
      name: 'hello',
      dueTime: '1h',
      data: { '@type': 'type.googleapis.com/google.protobuf.Value', value: given.data },
      failurePolicy: given.failurePolicy,
    });
    expect((await post(sidecar, `${version}/jobs/hello`, { ...given, dueTime: '100ms', overwrite: true })).status).toBe(204);
    await eventually(() => calls('hello').length > 0, 'the job runs');
    const [call] = calls('hello');
    expect([call?.method, call?.headers['content-type'], JSON.parse(call?.body ?? '')]).toEqual(['POST', 'application/json', given.data]);
    await eventually(async () => (await sidecar.get(`${version}/jobs/hello`)).status === 500, 'it is forgotten');
  });

  it('repeats, tries failures again, and takes 404 for done', async () => {
    failing.set('/job/flaky', 2);
    await post(sidecar, `${version}/jobs/flaky`, { dueTime: '100ms' });
    await post(sidecar, `${version}/jobs/nobody`, { dueTime: '100ms' });
    await post(sidecar, `${version}/jobs/often`, { schedule: '@every 300ms', repeats: 3, data: 'a text' });
    await eventually(() => calls('flaky').length === 3 && calls('often').length === 3, 'all runs');
    await eventually(async () => (await sidecar.get(`${version}/jobs/often`)).status === 500, 'the third was the last');
    expect([calls('flaky').length, calls('nobody').length, calls('often').map(({ body }) => body)]).toEqual([
      3,
      1,
      ['"a text"', '"a text"', '"a text"'],
    ]);
  });

  it('refuses and deletes as Dapr does', async () => {
    const errorOf = async (answer: Response): Promise<[number, unknown]> => [
      answer.status,
      ((await answer.json()) as { errorCode: string }).errorCode,
    ];
    const path = `${version}/jobs/kept`;
    expect((await post(sidecar, path, { schedule: '@daily' })).status).toBe(204);
    expect(await errorOf(await post(sidecar, path, { schedule: '@daily' }))).toEqual([409, 'DAPR_SCHEDULER_SCHEDULE_JOB']);
    expect((await post(sidecar, path, { schedule: '@hourly', overwrite: true })).status).toBe(204);
    expect(await (await sidecar.get(path)).json()).toMatchObject({
      schedule: '@hourly',
      failurePolicy: { constant: { interval: '1s', maxRetries: 3 } },
    });
    expect(await errorOf(await post(sidecar, path, { name: 'kept', schedule: '@daily' }))).toEqual([400, 'DAPR_SCHEDULER_JOB_NAME']);
    expect(await errorOf(await post(sidecar, path, {}))).toEqual([400, 'DAPR_SCHEDULER_SCHEDULE_EMPTY']);
    expect(await errorOf(await post(sidecar, path, { schedule: 'never' }))).toEqual([400, 'DAPR_SCHEDULER_SCHEDULE_JOB']);
    expect(await errorOf(await post(sidecar, path, { schedule: 7 }))).toEqual([400, 'ERR_MALFORMED_REQUEST']);
    for (let i = 0; i < 2; i++) expect((await sidecar.get(path, { method: 'DELETE' })).status).toBe(204);
    expect(await errorOf(await sidecar.get(path))).toEqual([500, 'DAPR_SCHEDULER_GET_JOB']);
  });
});

describe.each(['', 'Alpha1'])('jobs of a gRPC app, names ending in "%s"', (suffix) => {
  let server: Server;
  let sidecar: TestSidecar;
  let client: Client;
  const seen: {
    readonly name: string;
    readonly method: string;
    readonly type: string;
    readonly verb: number;
    readonly data: Uint8Array;
  }[] = [];

  beforeAll(async () => {
    const service = suffix === '' ? 'AppCallback/OnJobEvent' : 'AppCallbackAlpha/OnJobEventAlpha1';
    server = new Server();
    server.addService(
      { onJobEvent: methodOf(`/dapr.proto.runtime.v1.${service}`, JobEventRequestSchema, JobEventResponseSchema) },
      {
        onJobEvent(call: { readonly request: JobEvent }, done: sendUnaryData<object>) {
          const { name, method, contentType, httpExtension, data } = call.request;
          seen.push({ name, method, type: contentType, verb: httpExtension.verb, data: new Uint8Array(data.value) });
          if (name === 'nobody') return done({ code: status.NOT_FOUND, details: 'no such job' });
          return done(null, create(JobEventResponseSchema));
        },
      },
    );
    const appPort = await freePort();
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${appPort}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error)));
    });
    sidecar = await startSidecar({ appId: `grpc${suffix.toLowerCase()}`, appPort, appProtocol: 'grpc', machine });
    await sidecar.ready();
    client = new Client(`127.0.0.1:${sidecar.grpcPort}`, credentials.createInsecure());
  });
  afterAll(async () => {
    client?.close();
    expect(await sidecar?.stop()).toBe(0);
    server?.forceShutdown();
  });

  /** The stable methods have the messages of the alpha ones. */
  function ask(name: string, fields: object): Promise<unknown> {
    const [asked, answered] = [`${name}Request`, `${name}Response`].map((each) => jobs[`${each}Schema`] ?? jobs[`${each}Alpha1Schema`]) as [
      DescMessage,
      DescMessage,
    ];
    const method = methodOf(`/dapr.proto.runtime.v1.Dapr/${name}${suffix}`, asked, answered);
    const request = create(asked, fields as never);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
  }
  const schedule = (job: object, overwrite = false): Promise<unknown> => ask('ScheduleJob', { job, overwrite });
  const list = async (): Promise<readonly { readonly name: string; readonly repeats?: number }[]> =>
    ((await ask('ListJobs', {})) as { jobs: { name: string; repeats?: number }[] }).jobs;

  it('schedules, gets, lists, runs with any payload, and deletes', async () => {
    const data = { typeUrl: 'type.googleapis.com/example.Order', value: new Uint8Array([0, 1, 254, 255]) };
    const failurePolicy = { policy: { case: 'constant', value: { interval: { seconds: 2n, nanos: 500_000_000 }, maxRetries: 5 } } };
    await schedule({ name: 'order', dueTime: '1h', data, failurePolicy });
    await schedule({ name: 'later', schedule: '@daily', repeats: 4, ttl: '100h' });
    expect(await ask('GetJob', { name: 'order' })).toMatchObject({ job: { name: 'order', dueTime: '1h', failurePolicy } });
    expect((await list()).map(({ name, repeats }) => [name, repeats])).toEqual([
      ['later', 4],
      ['order', undefined],
    ]);
    await schedule({ name: 'order', dueTime: '100ms', data, failurePolicy }, true);
    await eventually(() => seen.some(({ name }) => name === 'order'), 'the job runs');
    const ran = { name: 'order', method: 'job/order', type: data.typeUrl, verb: 3, data: data.value };
    expect(seen.find(({ name }) => name === 'order')).toEqual(ran);
    await ask('DeleteJobsByPrefix', { namePrefix: 'lat' });
    await eventually(async () => (await list()).length === 0, 'none is left');
  });

  it('hands JSON over as a Value, and takes NOT_FOUND for done', async () => {
    expect((await post(sidecar, '/v1.0/jobs/json', { dueTime: '50ms', data: { a: [1] } })).status).toBe(204);
    await schedule({ name: 'nobody', dueTime: '50ms' });
    await eventually(() => seen.some(({ name }) => name === 'json') && seen.some(({ name }) => name === 'nobody'), 'both run');
    const { data, type } = seen.find(({ name }) => name === 'json') as (typeof seen)[number];
    expect([type, toJson(ValueSchema, fromBinary(ValueSchema, data))]).toEqual(['type.googleapis.com/google.protobuf.Value', { a: [1] }]);
    await eventually(async () => (await sidecar.get('/v1.0/jobs/nobody')).status === 500, 'it is done');
    expect(seen.filter(({ name }) => name === 'nobody').length).toBe(1);
  });

  it('refuses with the codes of Dapr', async () => {
    const codeOf = (asked: Promise<unknown>): Promise<number> =>
      asked.then(
        () => 0,
        (error: { code: number }) => error.code,
      );
    expect(await codeOf(ask('ScheduleJob', {}))).toBe(status.INVALID_ARGUMENT);
    expect(await codeOf(schedule({ dueTime: '1s' }))).toBe(status.INVALID_ARGUMENT);
    expect(await codeOf(schedule({ name: 'x' }))).toBe(status.INVALID_ARGUMENT);
    await schedule({ name: 'x', dueTime: '1h' });
    expect(await codeOf(schedule({ name: 'x', dueTime: '1h' }))).toBe(status.ALREADY_EXISTS);
    expect(await codeOf(schedule({ name: 'x', dueTime: '2h' }, true))).toBe(0);
    expect(await codeOf(ask('DeleteJob', { name: 'x' }))).toBe(0);
    expect(await codeOf(ask('GetJob', { name: 'x' }))).toBe(status.INTERNAL);
  });
});
