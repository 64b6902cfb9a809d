/**
 * The name of a schema as SQL has it: always in quotes, so that capitals, hyphens and reserved words are names like others. It can stand in a string too, for it never
 * holds a quote of its own, of either kind, or a backslash. Undefined when it cannot be a name here.
 */
export function quotedSchema(name: string): string | undefined {
  return /^[A-Za-z_][A-Za-z0-9_-]{0,39}$/.test(name) ? `"${name}"` : undefined;
}

/** What `quotedSchema` quoted: locks and channels are named by it, as they were before names had quotes. */
export function unquoted(schema: string): string {
  return schema.slice(1, -1);
}
