// Text operations on .proto files whose comments are gone.

/** The text without comments; strings with slashes in them stay whole. */
export function stripComments(text) {
  return text
    .replace(/"(?:[^"\\\n]|\\.)*"|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (match) => (match.startsWith('"') ? match : ''))
    .replace(/\n\s*\n+/g, '\n\n')
    .trimStart();
}

/**
 * `base` with what `additions` holds: new imports, new lines in blocks of the same name, new blocks at the end. A field with a number
 * that the block has already replaces that field.
 */
export function mergeProto(base, additions) {
  let merged = base;
  for (const [line] of additions.matchAll(/^import .*$/gm))
    if (!merged.includes(line)) merged = merged.replace(/^package .*$/m, (found) => `${found}\n${line}`);
  for (const { kind, name, body } of blocksOf(additions)) {
    const found = blocksOf(merged).find((block) => block.kind === kind && block.name === name);
    merged = found === undefined ? `${merged}\n${kind} ${name} {${body}}\n` : extend(merged, found, body);
  }
  return merged;
}

function extend(text, block, body) {
  const numbers = new Set([...body.matchAll(/=\s*(\d+)\s*[[;]/g)].map((match) => match[1]));
  const kept = block.body.split('\n').filter((line) => {
    const number = block.kind === 'message' ? /=\s*(\d+)\s*[[;]/.exec(line)?.[1] : undefined;
    return number === undefined || !numbers.has(number);
  });
  return `${text.slice(0, block.from)}${kept.join('\n').trimEnd()}${body}${text.slice(block.to)}`;
}

// Top-level blocks; `from` and `to` enclose the body between the braces.
function blocksOf(text) {
  const blocks = [];
  const head = /^(message|service|enum)\s+(\w+)\s*\{/gm;
  for (let match = head.exec(text); match !== null; match = head.exec(text)) {
    const from = head.lastIndex;
    let depth = 1;
    let to = from;
    for (; depth > 0; to++) {
      if (to >= text.length) throw new Error(`block ${match[2]} is not closed`);
      if (text[to] === '{') depth++;
      else if (text[to] === '}') depth--;
    }
    blocks.push({ kind: match[1], name: match[2], from, to: to - 1, body: text.slice(from, to - 1) });
    head.lastIndex = to;
  }
  return blocks;
}
