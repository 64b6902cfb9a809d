/** A document of a server in the tests. */
export type MongoDocument = { readonly _id: string } & Readonly<Record<string, unknown>>;
type Filter = Readonly<Record<string, unknown>>;

/** Whether a document fits a filter: the operators that the driver uses, as MongoDB's manual has them. Others fail the test. */
export function fits(filter: Filter, document: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(filter).every(([name, condition]) => {
    if (name === '$and') return (condition as Filter[]).every((part) => fits(part, document));
    if (name === '$or') return (condition as Filter[]).some((part) => fits(part, document));
    const found = at(document, name.split('.'));
    if (!isOperators(condition)) return equals(found, condition);
    return Object.entries(condition).every(([operator, operand]) => holds(operator, found, operand));
  });
}

/** Compares two documents by some paths, missing values first. */
export function inOrder(sort: Readonly<Record<string, number>>, a: MongoDocument, b: MongoDocument): number {
  for (const [path, direction] of Object.entries(sort)) {
    const [left, right] = [at(a, path.split('.')), at(b, path.split('.'))];
    const difference = rank(left) - rank(right) || (compare(left, right) ?? 0);
    if (difference !== 0) return difference * direction;
  }
  return 0;
}

function holds(operator: string, found: unknown, operand: unknown): boolean {
  const order = compare(found, operand);
  switch (operator) {
    case '$eq':
      return equals(found, operand);
    case '$ne':
      return !equals(found, operand);
    case '$in':
      return (operand as unknown[]).some((each) => equals(found, each));
    case '$gt':
      return order !== undefined && order > 0;
    case '$gte':
      return order !== undefined && order >= 0;
    case '$lt':
      return order !== undefined && order < 0;
    case '$lte':
      return order !== undefined && order <= 0;
    default:
      throw new Error(`the server of the tests does not know ${operator}`);
  }
}

function isOperators(condition: unknown): condition is Filter {
  return typeof condition === 'object' && condition !== null && Object.keys(condition).some((name) => name.startsWith('$'));
}

/** A missing value equals null. */
function equals(found: unknown, wanted: unknown): boolean {
  if (wanted === null) return found === undefined || found === null;
  if (Array.isArray(found) && !Array.isArray(wanted)) return found.some((each) => equals(each, wanted));
  return (
    found === wanted || compare(found, wanted) === 0 || (typeof found === 'object' && JSON.stringify(found) === JSON.stringify(wanted))
  );
}

/** Values of one kind only; texts by their UTF-8. */
function compare(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b));
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  return undefined;
}

function rank(value: unknown): number {
  return ['undefined', 'number', 'string', 'object', 'boolean'].indexOf(value === null ? 'undefined' : typeof value);
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (found, name) => (typeof found === 'object' && found !== null && Object.hasOwn(found, name) ? (found as Filter)[name] : undefined),
    value,
  );
}
