/** Texts and bytes as etcd's JSON gateway wants them. */
export function base64(value: string | Uint8Array): string {
  return (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.buffer, value.byteOffset, value.byteLength)).toString(
    'base64',
  );
}

/** The inverse, for texts. */
export function textOf(encoded: string): string {
  return Buffer.from(encoded, 'base64').toString('utf8');
}

/** The keys that begin with `prefix`, which is not empty. */
export function rangeOf(prefix: string): { readonly key: string; readonly range_end: string } {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return { key: base64(prefix), range_end: end.toString('base64') };
}

/** The members of a list with commas. */
export function etcdUrls(endpoints: string): readonly string[] {
  return endpoints
    .split(',')
    .map((url) => url.trim().replace(/\/+$/, ''))
    .filter((url) => url !== '');
}
