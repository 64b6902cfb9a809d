const charsMax = 300;

/** A text without credentials and queries of URLs, and not longer than a record should hold. */
export function clipped(text: string): string {
  const cut = text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
  return cut.replace(/\/\/[^/\s@]*@/g, '//***@').replace(/\?[^\s"']*=[^\s"']*/g, '?…');
}

/** Words and versions are names of things; whatever else stands in a path may be somebody's id, address or token. */
const word = /^(?:[A-Za-z][A-Za-z_.-]{0,31}|v\d{1,3})$/;
const segmentsMax = 16;

/** A path with `{}` in place of everything that may be a value: `orders/17/lines` becomes `/orders/{}/lines`. */
export function pathShape(path: string): string {
  const segments = path.split('/', segmentsMax + 1).filter((segment) => segment !== '');
  const shown = segments.slice(0, segmentsMax).map((segment) => (word.test(segment) ? segment : '{}'));
  return `/${shown.join('/')}${segments.length > segmentsMax ? '/…' : ''}`;
}
