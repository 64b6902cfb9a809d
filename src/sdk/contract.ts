import { ProaError } from '../kernel/errors.ts';
import type { CallOptions } from './asking.ts';
import type { PublishOptions, SubscribeOptions } from './client.ts';
import type { EventHandler } from './event.ts';

/** A schema as zod, valibot and arktype give it: the Standard Schema interface, version 1. */
export interface StandardSchema<In = unknown, Out = In> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Out> | Promise<SchemaResult<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

export type SchemaResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

/** What a schema takes, and what comes out of it. */
export type InputOf<S> = S extends StandardSchema<infer In, infer _Out> ? In : unknown;
export type OutputOf<S> = S extends StandardSchema<infer _In, infer Out> ? Out : unknown;

/** A method of an app: what it takes and what it answers. */
export interface MethodContract {
  readonly input?: StandardSchema<never, unknown> | StandardSchema;
  readonly output?: StandardSchema<never, unknown> | StandardSchema;
}

/** A topic and what its events hold. */
export interface EventContract {
  readonly pubsub: string;
  readonly topic: string;
  readonly data: StandardSchema<never, unknown> | StandardSchema;
}

/** What an app offers: methods by the name under which they are invoked, and topics on which it publishes. */
export interface AnyContract {
  readonly app: string;
  readonly methods?: Readonly<Record<string, MethodContract>>;
  readonly events?: Readonly<Record<string, EventContract>>;
}

type Methods<C extends AnyContract> = NonNullable<C['methods']>;
type Events<C extends AnyContract> = NonNullable<C['events']>;

/** The functions behind a contract's methods. */
export type Implementation<C extends AnyContract, Request> = {
  readonly [M in keyof Methods<C>]: (
    input: OutputOf<Methods<C>[M]['input']>,
    request: Request,
  ) => Promise<InputOf<Methods<C>[M]['output']>> | InputOf<Methods<C>[M]['output']>;
};

/** A contract's methods and topics as functions. */
export interface TypedClient<C extends AnyContract> {
  /** Fails with `bad-request` before anything is sent when the input is none, and with `malformed-response` when the answer is none. */
  readonly call: {
    readonly [M in keyof Methods<C>]: (
      input: InputOf<Methods<C>[M]['input']>,
      options?: CallOptions,
    ) => Promise<OutputOf<Methods<C>[M]['output']>>;
  };
  readonly publish: { readonly [E in keyof Events<C>]: (data: InputOf<Events<C>[E]['data']>, options?: PublishOptions) => Promise<void> };
  /** What does not fit the contract is dropped, to the dead letter topic if there is one. */
  readonly subscribe: {
    readonly [E in keyof Events<C>]: (
      handler: EventHandler<OutputOf<Events<C>[E]['data']>>,
      options?: SubscribeOptions,
    ) => Promise<() => Promise<void>>;
  };
}

/** Keeps the literal types of a contract. */
export function defineContract<const C extends AnyContract>(contract: C): C {
  return contract;
}

const violationsMax = 20;

/** What a schema says against a value, and where. */
export interface SchemaIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** A value that passed its schema, as the schema gives it; without one as it is. Else what is wrong with it, 20 issues at most. */
export async function examined(
  schema: MethodContract['input'],
  value: unknown,
): Promise<{ readonly value: unknown; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }> {
  if (schema === undefined) return { value };
  const result = await schema['~standard'].validate(value);
  if (result.issues === undefined) return result;
  const issues = result.issues.slice(0, violationsMax).map(({ message, path = [] }) => ({
    path: path.map((step) => (typeof step === 'object' ? step.key : step)),
    message,
  }));
  return { issues };
}

/** The same. Fails with `code` and the schema's issues as violations. */
export async function checked(
  schema: MethodContract['input'],
  value: unknown,
  { what, code }: { readonly what: string; readonly code: 'bad-request' | 'malformed-response' },
): Promise<unknown> {
  const result = await examined(schema, value);
  if (result.issues === undefined) return result.value;
  const violations = result.issues.map(({ path, message }) => ({ field: path.map(String).join('.'), description: message }));
  const [first] = violations;
  const where = first === undefined || first.field === '' ? '' : `${first.field}: `;
  throw new ProaError(code, `${what} does not fit its contract: ${where}${first?.description ?? ''}`, { details: { violations } });
}
