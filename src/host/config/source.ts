/** A text file that was read; spans point into it. */
export interface Source {
  /** As people should see it: the path that was given. */
  readonly file: string;
  readonly text: string;
}

/** A stretch of a source: offsets in characters, `end` exclusive. */
export interface Span {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

/** Line and column, both from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The whole line, without its end. */
  readonly lineText: string;
}

/** Where a span begins. */
export function placeOf(span: Span): Place {
  const { text, file } = span.source;
  const before = text.slice(0, span.start);
  const lineStart = before.lastIndexOf('\n') + 1;
  const lineEnd = text.indexOf('\n', span.start);
  const lineText = text.slice(lineStart, lineEnd === -1 ? undefined : lineEnd).replace(/\r$/, '');
  return { file, line: before.split('\n').length, column: span.start - lineStart + 1, lineText };
}

/** `file:line`, for provenance. */
export function originOf(span: Span): string {
  const { file, line } = placeOf(span);
  return `${file}:${line}`;
}
