import type { ConfigurationItems } from '../../../blocks/configuration/index.ts';
import { Dapr } from '../../../gen/dapr/proto/runtime/v1/dapr_pb.ts';
import { createCall } from '../../../kernel/call.ts';
import type { MessageWriter } from '../../../wire/grpc/message-writer.ts';
import type { Handlers } from '../../../wire/grpc/method.ts';
import { runService, unaryRows, type GrpcFrontContext } from '../row.ts';
import type { ServerCall } from '../../../wire/grpc/method.ts';

const { method } = Dapr;

/** Bindings, secrets, locks and configuration over gRPC (Dapr reference 7.1). */
export function storeRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  return { ...secretRows(front), ...lockRows(front), ...configurationRows(front), ...bindingRows(front) };
}

function bindingRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  return {
    invokeBinding: unaryRows(front)(method.invokeBinding, {
      operation: { block: 'bindings', name: 'invoke', idempotent: false },
      decode: ({ name, operation, data, metadata }) => ({ name, operation, data, metadata }),
      service: (blocks) => blocks.bindings.invoke,
      encode: (response) => ({ data: response.data ?? new Uint8Array(0), metadata: { ...response.metadata } }),
    }),
  };
}

function secretRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    getSecret: row(method.getSecret, {
      operation: { block: 'secrets', name: 'get', idempotent: true },
      decode: ({ storeName, key, metadata }) => ({ store: storeName, name: key, metadata }),
      service: (blocks) => blocks.secrets.get,
      encode: (secret) => ({ data: { ...secret } }),
    }),
    getBulkSecret: row(method.getBulkSecret, {
      operation: { block: 'secrets', name: 'bulk_get', idempotent: true },
      decode: ({ storeName, metadata }) => ({ store: storeName, metadata }),
      service: (blocks) => blocks.secrets.bulkGet,
      encode: (all) => ({ data: Object.fromEntries(Object.entries(all).map(([name, secret]) => [name, { secrets: { ...secret } }])) }),
    }),
  };
}

function lockRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  return {
    tryLockAlpha1: row(method.tryLockAlpha1, {
      operation: { block: 'lock', name: 'try_lock', idempotent: false },
      decode: ({ storeName, resourceId, lockOwner, expiryInSeconds }) => ({
        store: storeName,
        resourceId,
        lockOwner,
        expirySeconds: expiryInSeconds,
      }),
      service: (blocks) => blocks.lock.tryLock,
      encode(result, call) {
        // The message has no field for it; a client that guards its resource finds the token here.
        if (result.fencingToken !== undefined) call.setTrailer('proa-fencing-token', String(result.fencingToken));
        return { success: result.success };
      },
    }),
    unlockAlpha1: row(method.unlockAlpha1, {
      operation: { block: 'lock', name: 'unlock', idempotent: false },
      decode: ({ storeName, resourceId, lockOwner }) => ({ store: storeName, resourceId, lockOwner }),
      service: (blocks) => blocks.lock.unlock,
      encode: (status) => ({ status }),
    }),
  };
}

interface Query {
  readonly storeName: string;
  readonly keys: string[];
  readonly metadata: Record<string, string>;
}

function configurationRows(front: GrpcFrontContext): Handlers<typeof Dapr> {
  const row = unaryRows(front);
  const getRow = {
    operation: { block: 'configuration', name: 'get', idempotent: true },
    decode: ({ storeName, keys, metadata }: Query) => ({ store: storeName, keys, metadata }),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.configuration.get,
    encode: (items: ConfigurationItems) => ({ items: wireItems(items) }),
  };
  const unsubscribeRow = {
    operation: { block: 'configuration', name: 'unsubscribe', idempotent: true },
    decode: ({ storeName, id }: { storeName: string; id: string }) => ({ store: storeName, id }),
    service: (blocks: GrpcFrontContext['blocks']) => blocks.configuration.unsubscribe,
    encode: (result: { readonly ok: boolean; readonly message?: string }) => ({ ok: result.ok, message: result.message ?? '' }),
  };
  const subscribe = (
    request: Query,
    call: ServerCall,
    out: MessageWriter<{ id: string; items: ReturnType<typeof wireItems> }>,
  ): Promise<void> => subscribeConfiguration(front, request, call, out);
  return {
    getConfiguration: row(method.getConfiguration, getRow),
    getConfigurationAlpha1: row(method.getConfigurationAlpha1, getRow),
    unsubscribeConfiguration: row(method.unsubscribeConfiguration, unsubscribeRow),
    unsubscribeConfigurationAlpha1: row(method.unsubscribeConfigurationAlpha1, unsubscribeRow),
    subscribeConfiguration: subscribe,
    subscribeConfigurationAlpha1: subscribe,
  };
}

// The first message carries only the id; the stream's end ends the subscription (Dapr reference 5.8).
async function subscribeConfiguration(
  front: GrpcFrontContext,
  request: Query,
  call: ServerCall,
  out: MessageWriter<{ id: string; items: ReturnType<typeof wireItems> }>,
): Promise<void> {
  const { configuration } = front.blocks;
  let closed: (error?: unknown) => void = () => {};
  const over = new Promise<void>((resolve, reject) => {
    closed = (error) => (error === undefined ? resolve() : reject(error));
  });
  let writing: Promise<void> = Promise.resolve();
  const push = (id: string, items: ConfigurationItems): void => {
    writing = writing.then(() => out.write({ id, items: wireItems(items) }));
    writing.catch((error: unknown) => closed(error));
  };
  const operation = { block: 'configuration', name: 'subscribe', idempotent: false };
  const input = { store: request.storeName, keys: request.keys, metadata: request.metadata, push };
  const id = await runService(front, call, { operation, service: configuration.subscribe, input });
  const unlink = call.cancel.onCancel(() => closed());
  try {
    await out.write({ id, items: {} });
    await over;
  } finally {
    unlink();
    // Not for the caller, who is gone: a call of the runtime itself.
    const leave = createCall(
      { block: 'configuration', name: 'unsubscribe', idempotent: true },
      { store: request.storeName, id },
      { caller: front.caller },
    );
    await configuration.unsubscribe(leave);
    leave.end.fire({ ok: true });
  }
}

function wireItems(items: ConfigurationItems): Record<string, { value: string; version: string; metadata: Record<string, string> }> {
  return Object.fromEntries(
    Object.entries(items).map(([key, { value, version, metadata }]) => [key, { value, version, metadata: { ...metadata } }]),
  );
}
