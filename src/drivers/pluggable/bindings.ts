import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BindingEvent, BindingResponse, InputBinding, OutputBinding } from '../../contracts/binding.ts';
import type { DriverContext, DriverKinds } from '../../contracts/driver.ts';
import {
  InputBinding as inputService,
  OutputBinding as outputService,
  type ReadRequestSchema,
  type ReadResponse,
} from '../../gen/dapr/proto/components/v1/bindings_pb.ts';
import { codecOf } from '../../wire/grpc/client.ts';
import { type ComponentLink, openLink, openOver } from './component-link.ts';
import { MessageStream } from './message-stream.ts';

const initInput = codecOf(inputService.method.init);
const read = codecOf(inputService.method.read);
const initOutput = codecOf(outputService.method.init);
const listOperations = codecOf(outputService.method.listOperations);
const invoke = codecOf(outputService.method.invoke);

// Dapr sets no limit; an app that does not keep up holds the stream back from here on.
const deliveriesMax = 100;

/** Opens a binding that a pluggable component serves, in the directions that it serves. */
export async function openBinding(
  socket: string,
  properties: Readonly<Record<string, string>>,
  context: DriverContext,
  directions: { readonly input: boolean; readonly output: boolean },
): Promise<DriverKinds['bindings']> {
  const link = openLink(socket, context);
  const streams = new Set<Reading>();
  return openOver(link, async () => {
    const request = { metadata: { properties } };
    if (directions.input) await link.call(initInput, request);
    const output = directions.output ? await openOutput(link, request) : undefined;
    return {
      ...(directions.input ? { input: inputOver(link, context, streams) } : {}),
      ...(output === undefined ? {} : { output }),
      async close() {
        for (const stream of streams) await stream.close(0);
        await link.close();
      },
    };
  });
}

type Reading = MessageStream<MessageInitShape<typeof ReadRequestSchema>, ReadResponse>;

async function openOutput(link: ComponentLink, request: { metadata: { properties: Record<string, string> } }): Promise<OutputBinding> {
  await link.call(initOutput, request);
  const { operations } = await link.call(listOperations, {});
  return {
    operations: [...new Set(operations)],
    async invoke({ operation, data, metadata }, cancel): Promise<BindingResponse> {
      const answer = await link.call(invoke, { operation, data, metadata: { ...metadata } }, { cancel });
      return {
        data: answer.data,
        metadata: answer.metadata,
        ...(answer.contentType === '' ? {} : { contentType: answer.contentType }),
      };
    },
  };
}

function inputOver(link: ComponentLink, context: DriverContext, streams: Set<Reading>): InputBinding {
  return {
    async read(deliver) {
      const stream: Reading = await MessageStream.open({
        clock: context.ports.clock,
        log: context.log,
        what: `binding ${context.name}`,
        concurrency: deliveriesMax,
        open: () => link.stream(read),
        handle: (message: ReadResponse) => answerTo(message, deliver),
      });
      streams.add(stream);
      return async () => {
        await stream.close(10_000);
        streams.delete(stream);
      };
    },
  };
}

async function answerTo(
  { messageId, data, metadata, contentType }: ReadResponse,
  deliver: (event: BindingEvent) => Promise<BindingResponse>,
): Promise<MessageInitShape<typeof ReadRequestSchema>> {
  try {
    const answer = await deliver({ data, metadata, ...(contentType === '' ? {} : { contentType }) });
    return { messageId, responseData: answer.data ?? new Uint8Array(0) };
  } catch (error) {
    return { messageId, responseError: { message: error instanceof Error ? error.message : String(error) } };
  }
}
