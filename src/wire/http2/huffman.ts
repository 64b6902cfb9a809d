import { latin1Text } from '../../kernel/bytes.ts';

/**
 * The Huffman code of HPACK (RFC 7541, appendix B). It is canonical, so the lengths say everything: codes of one length follow each other in the order of
 * their symbols, shorter ones first.
 */
const lengths = [
  [13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  [6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  [13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  [15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  [20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  [22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  [26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  [20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  [30],
].flat();
const endOfString = 256;
// The global one is a property with a getter, which no compiler sees through.
const NodeBuffer = Buffer;

// A state is an inner node of the code's tree. A step takes four bits at once; no code is shorter than five, so it meets one symbol at most.
const failed = -1;
const symbolShift = 16;
const hasSymbol = 1 << 30;

interface Machine {
  /** At `state * 16 + nibble`: the next state, with the symbol that was met; or `failed`. */
  readonly steps: Int32Array;
  /** 1 for states in which a string may end: less than a byte of padding, all ones (section 5.2). */
  readonly ends: Uint8Array;
}

interface Node {
  readonly state: number;
  children: [Node | number | undefined, Node | number | undefined];
  padding: boolean;
}

let machine: Machine | undefined;

function build(): Machine {
  const states: Node[] = [];
  const node = (padding: boolean): Node => {
    const made: Node = { state: states.length, children: [undefined, undefined], padding };
    states.push(made);
    return made;
  };
  const root = node(true);
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    code *= 2;
    for (let symbol = 0; symbol <= endOfString; symbol++) {
      if (lengths[symbol] !== length) continue;
      let at = root;
      for (let bit = length - 1; bit > 0; bit--) {
        const way = Math.floor(code / 2 ** bit) % 2;
        at.children[way] ??= node(at.padding && way === 1 && length - bit < 8);
        at = at.children[way] as Node;
      }
      at.children[code % 2] = symbol;
      code++;
    }
  }
  const steps = new Int32Array(states.length * 16);
  for (const from of states) for (let nibble = 0; nibble < 16; nibble++) steps[from.state * 16 + nibble] = step(from, root, nibble);
  return { steps, ends: Uint8Array.from(states, (state) => (state.padding ? 1 : 0)) };
}

function step(from: Node, root: Node, nibble: number): number {
  let at = from;
  let met = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const next = at.children[(nibble >> bit) & 1];
    if (next === undefined || next === endOfString) return failed;
    if (typeof next === 'number') {
      met = hasSymbol | (next << symbolShift);
      at = root;
    } else at = next;
  }
  return met | at.state;
}

/** The text in `bytes[at, end)`, one character per byte; undefined when it is not a valid encoding. At most eight fifths of the bytes come out. */
export function huffmanDecode(bytes: Uint8Array, at: number, end: number): string | undefined {
  machine ??= build();
  const { steps, ends } = machine;
  const out = NodeBuffer.allocUnsafe(Math.ceil(((end - at) * 8) / 5));
  let length = 0;
  let state = 0;
  for (let i = at; i < end; i++) {
    const byte = bytes[i] as number;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const found = steps[state * 16 + ((byte >> shift) & 15)] as number;
      if (found === failed) return undefined;
      if ((found & hasSymbol) !== 0) out[length++] = (found >> symbolShift) & 0xff;
      state = found & 0xffff;
    }
  }
  return ends[state] === 1 ? latin1Text(out, 0, length) : undefined;
}
