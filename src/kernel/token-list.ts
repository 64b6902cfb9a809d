/** The tokens of `DAPR_API_TOKEN`, separated by commas: two may hold at once, while one takes the other's place. Callers send the first one. */
export function tokensOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((token) => token.trim())
    .filter((token) => token !== '');
}
