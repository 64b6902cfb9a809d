/** An element of a BSON document: its type's number, and its value as it lies in the document. */
export interface BsonElement {
  readonly type: number;
  readonly value: Buffer;
}

/** Types of elements that the store looks into (bsonspec.org). */
export const bsonTypes = { string: 0x02, document: 0x03, array: 0x04, binary: 0x05, date: 0x09 } as const;

/** What values of a type take: always so many bytes, or as many as the number before them says, with so many more. */
const fixed = new Map([
  [0x01, 8],
  [0x06, 0],
  [0x07, 12],
  [0x08, 1],
  [bsonTypes.date, 8],
  [0x0a, 0],
  [0x10, 4],
  [0x11, 8],
  [0x12, 8],
  [0x13, 16],
  [0x7f, 0],
  [0xff, 0],
]);
const counted = new Map([
  [bsonTypes.string, 4],
  [bsonTypes.document, 0],
  [bsonTypes.array, 0],
  [bsonTypes.binary, 5],
  [0x0c, 16],
  [0x0d, 4],
  [0x0e, 4],
  [0x0f, 0],
]);

/**
 * The elements of a document by their names, up to the first one of a type that says nothing about its size (a regular expression). Values share the
 * document's memory. For what a decoder would not give back as it was: texts that are no UTF-8, as Go's client writes bytes.
 */
export function bsonElements(document: Buffer): Map<string, BsonElement> {
  const elements = new Map<string, BsonElement>();
  const end = Math.min(document.length, document.readInt32LE(0)) - 1;
  for (let at = 4; at < end;) {
    const type = document[at] as number;
    const nameEnd = document.indexOf(0, at + 1);
    if (nameEnd < 0) break;
    const start = nameEnd + 1;
    const more = counted.get(type);
    if (more !== undefined && start + 4 > end) break;
    const size = more === undefined ? fixed.get(type) : document.readInt32LE(start) + more;
    if (size === undefined || size < 0 || start + size > end) break;
    elements.set(document.toString('utf8', at + 1, nameEnd), { type, value: document.subarray(start, start + size) });
    at = start + size;
  }
  return elements;
}

/** The bytes of a string element, without its count and the NUL at its end. */
export function stringBytes({ value }: BsonElement): Buffer {
  return value.subarray(4, -1);
}

/** The bytes of a binary element. */
export function binaryBytes({ value }: BsonElement): Buffer {
  return value.subarray(5);
}

/** Milliseconds since 1970 of a date element. */
export function dateMs({ value }: BsonElement): number {
  return Number(value.readBigInt64LE(0));
}
