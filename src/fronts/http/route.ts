import type { Body } from '../../kernel/body.ts';
import type { Operation } from '../../kernel/call.ts';
import type { ProaError } from '../../kernel/errors.ts';
import type { Service } from '../../kernel/service.ts';
import type { Blocks } from '../../blocks/runtime/index.ts';
import type { Query } from './query.ts';
import type { Reply } from './reply.ts';

/** A request as rows of the table see it: routed, its parameters unescaped, its body still to be read. */
export interface RouteRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, string>>;
  /** What the row's `subject` made of them. */
  readonly subject: unknown;
  readonly query: Query;
  /** All headers as flat pairs, names in lower case. */
  readonly headers: readonly string[];
  /** The first value of a header; names in lower case. */
  header(name: string): string | undefined;
  /** The whole body, at once when it is there; fails with `body-read` beyond the limit. */
  bytes(): Uint8Array | Promise<Uint8Array>;
  /** The whole body as UTF-8. */
  text(): string | Promise<string>;
  readonly body: Body;
}

/** One row of the HTTP API: it translates, and decides nothing. */
export interface Route<In = never, Out = unknown> {
  readonly methods: readonly string[];
  /** `{name}` is one segment, `{name...}` the rest. Static segments win over parameters. */
  readonly path: string;
  /** Dapr's endpoint name, for logs and metrics. */
  readonly name: string;
  /** The group of `spec.api.allowed` and `denied` (Dapr reference 7.7). */
  readonly group: string;
  readonly operation: Operation;
  /**
   * What it decodes depends on the path and the query alone, what it encodes on the output alone, and an output does not change once it was given: a request
   * like the last one is not decoded again, and the same output not encoded again.
   */
  readonly repeats?: true;
  /** What `decode` needs of the parameters, made once and kept with the path; it must not fail. */
  subject?(params: Readonly<Record<string, string>>): unknown;
  decode(request: RouteRequest): In | Promise<In>;
  service(blocks: Blocks): Service<In, Out>;
  encode(output: Out, input: In): Reply;
  /** Replaces the usual error document. */
  failed?(error: ProaError): Reply;
}

/** What `use` makes of what was read, at once when it is there. */
export function whenRead<Read, Result>(read: Read | Promise<Read>, use: (read: Read) => Result): Result | Promise<Result> {
  return read instanceof Promise ? read.then(use) : use(read);
}

/** Gives a row its types and then forgets them: the table holds rows of every shape. */
export function route<In, Out>(row: Route<In, Out>): Route {
  return row as unknown as Route;
}
