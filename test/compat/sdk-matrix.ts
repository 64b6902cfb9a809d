/** Every call of the SDK that a test made, `block.method`, recorded by wrapping the SDK's objects. */
export interface Matrix<T> {
  readonly sdk: T;
  readonly called: ReadonlySet<string>;
  /** What the SDK's objects can do, found by reflection. */
  readonly all: readonly string[];
}

/** Wraps every method of every block of a client or server of the SDK. Methods whose names begin with `_` are the SDK's own. */
export function recordCalls<T extends object>(sdk: T): Matrix<T> {
  const called = new Set<string>();
  const all: string[] = [];
  for (const [block, value] of Object.entries(sdk)) {
    if (
      typeof value !== 'object' ||
      value === null ||
      ['options', 'serverOptions', 'logger', 'daprClient', 'daprServer', 'client'].includes(block)
    )
      continue;
    const target = value as Record<string, (...args: unknown[]) => unknown>;
    for (const name of methodsOf(value as object)) {
      const id = `${block}.${name}`;
      all.push(id);
      const original = target[name] as (...args: unknown[]) => unknown;
      target[name] = (...args) => {
        called.add(id);
        return original.apply(value, args);
      };
    }
  }
  return { sdk, called, all };
}

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let at = object; at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object)
    for (const name of Object.getOwnPropertyNames(at))
      if (name !== 'constructor' && !name.startsWith('_') && typeof (object as Record<string, unknown>)[name] === 'function')
        names.add(name);
  return [...names];
}

/** Calls that no test makes, by the beginning of their names, each with its reason. */
export type Exceptions = Readonly<Record<string, string>>;

/** What is neither called nor excepted, and exceptions that except nothing or what is called all the same. Both must be empty. */
export function gaps({ all, called }: Matrix<object>, exceptions: Exceptions): { missing: string[]; stale: string[] } {
  const excepted = (id: string): string | undefined =>
    Object.keys(exceptions).find((prefix) => id === prefix || id.startsWith(`${prefix}.`));
  const missing = all.filter((id) => !called.has(id) && excepted(id) === undefined);
  const needed = new Set(all.filter((id) => !called.has(id)).map(excepted));
  return { missing, stale: Object.keys(exceptions).filter((prefix) => !needed.has(prefix)) };
}
