/**
 * The same text in one piece of its own; all characters of one byte. What was joined is held as a tree and walked again at every use, and what was cut out keeps all that
 * it was cut from in memory: a text that is kept for long is made flat first.
 */
export function flatText(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
