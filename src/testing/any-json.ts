import fc from 'fast-check';

/** For tests: JSON texts as anybody may write them, with all that BSON, MongoDB or JavaScript see in another way. */
export const anyJson: fc.Arbitrary<string> = (() => {
  const edge = fc.constantFrom(
    ...['-0', '1E5', '1.0', '0.1e-7', '2147483648', '-9007199254740993', '1e999', 'true', 'null', '[]', '{}'],
    ...['""', '"\\u0000"', '"\\ud800"', '"\\u00e4"', '"\\/"'],
  );
  const name = fc.oneof(
    fc.string(),
    fc.constantFrom('', '$', '$a', 'a.b', '__proto__', 'toString', '0', '_id', 'value', '\0', '\ud800', '$oid', '$date', '$ref'),
  );
  const member = fc.tuple(name, edge).map(([key, value]) => `${JSON.stringify(key)} :${value}`);
  return fc.oneof(
    fc.json(),
    fc.jsonValue().map((value) => JSON.stringify(value, undefined, 1)),
    fc.array(member, { maxLength: 4 }).map((members) => `{${members.join(',')}}`),
    fc.array(edge, { maxLength: 4 }).map((members) => `[${members.join(', ')}]`),
  );
})();
