const leavesMax = 200;
const levelsMax = 8;
/** Libraries cut long values short: so much of the beginning is enough to know them. */
const beginning = 12;

/**
 * What a schema says about a value, without the value: libraries quote what they got ("expected string but received 4711"). Texts and numbers of `value`, inner
 * ones too, are `***` wherever they stand; of a value with more of them than can be looked for nothing is said.
 */
export function withoutValue(message: string, value: unknown): string {
  const leaves = new Set<string>();
  if (!collect(value, leaves, 0)) return 'it does not fit';
  let text = message;
  for (const leaf of [...leaves].toSorted((a, b) => b.length - a.length)) text = hide(text, leaf);
  return text;
}

/** False: there are too many. */
function collect(value: unknown, leaves: Set<string>, level: number): boolean {
  if (typeof value === 'string') {
    if (value !== '') leaves.add(value).add(JSON.stringify(value).slice(1, -1));
  } else if (typeof value === 'number' || typeof value === 'bigint') leaves.add(String(value));
  else if (typeof value === 'object' && value !== null) {
    if (level === levelsMax) return false;
    for (const [name, inner] of Object.entries(value)) {
      if (!Array.isArray(value)) leaves.add(name);
      if (!collect(inner, leaves, level + 1)) return false;
    }
  }
  return leaves.size <= leavesMax;
}

function hide(text: string, leaf: string): string {
  const head = leaf.slice(0, beginning);
  let out = '';
  let from = 0;
  for (let at = text.indexOf(head); at !== -1; at = text.indexOf(head, from)) {
    let length = head.length;
    while (length < leaf.length && text[at + length] === leaf[length]) length++;
    // A short one may be part of a word that says what is wrong.
    const part = length === leaf.length && leaf.length < beginning && (isWord(text[at - 1]) || isWord(text[at + length]));
    out += text.slice(from, at) + (part ? text.slice(at, at + length) : '***');
    from = at + length;
  }
  return out + text.slice(from);
}

function isWord(char: string | undefined): boolean {
  return char !== undefined && /[\p{L}\p{N}_]/u.test(char);
}
