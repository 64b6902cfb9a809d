/**
 * The name of a table, perhaps with its schema, in quotes: reserved words are names too. It means the table that PostgreSQL would take for it without quotes, in
 * lower case, so that what Dapr made is found. `name` holds nothing but letters, digits, underscores and the dot.
 */
export function quotedTable(name: string): string {
  return name
    .toLowerCase()
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');
}
