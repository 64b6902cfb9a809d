/**
 * Typed values that travel with a call (trace context, tenant, attempt number ...). A context is an immutable linked list:
 * adding a value allocates one node and never copies, so layers can add values on the hot path.
 */
export interface ContextKey<T> {
  readonly name: string;
  readonly fallback: T;
}

export interface Context {
  readonly key: ContextKey<unknown> | undefined;
  readonly value: unknown;
  readonly parent: Context | undefined;
}

/** The context without values; the end of every list. */
export const emptyContext: Context = { key: undefined, value: undefined, parent: undefined };

/** Declares a key. Identity of the returned object is the identity of the key; `fallback` is read when nothing was set. */
export function contextKey<T>(name: string, fallback: T): ContextKey<T> {
  return { name, fallback };
}

/** A context in which `key` is `value`; the given one stays as it was. */
export function withValue<T>(context: Context, key: ContextKey<T>, value: T): Context {
  return { key, value, parent: context };
}

/** The value set last for `key`, or the key's fallback. Linear in the number of values set, which is small. */
export function valueOf<T>(context: Context, key: ContextKey<T>): T {
  for (let node: Context | undefined = context; node !== undefined; node = node.parent) {
    if (node.key === key) return node.value as T;
  }
  return key.fallback;
}
