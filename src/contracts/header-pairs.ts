/** Headers as flat name, value pairs with names in lower case, as pipelines and clients hold them. */
export type HeaderPairs = readonly string[];

/** The first value under a name in lower case. */
export function firstHeader(headers: HeaderPairs, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** The headers without a name. */
export function withoutHeader(headers: HeaderPairs, name: string): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (headers[i] !== name) kept.push(headers[i] as string, headers[i + 1] as string);
  return kept;
}

/** The headers with exactly one value under a name: whatever stood there before is gone. */
export function withHeader(headers: HeaderPairs, name: string, value: string): string[] {
  const kept = withoutHeader(headers, name);
  kept.push(name, value);
  return kept;
}
