/** Why a text is no path template; undefined when it is one. */
export function templateError(template: string): string | undefined {
  if (!template.startsWith('/')) return 'it must begin with /';
  const segments = template.slice(1).split('/');
  for (const [i, segment] of segments.entries()) {
    if (segment === '' && segments.length > 1) return 'it holds an empty segment';
    if (segment === '**' && i !== segments.length - 1) return '** may only be the last segment';
    if (segment.includes('*') && segment !== '*' && segment !== '**') return `* must be a segment of its own, not part of "${segment}"`;
    if (/[{}]/.test(segment) && !/^\{[A-Za-z_][A-Za-z0-9_]*\}$/.test(segment)) return `"${segment}" is not a variable such as {id}`;
  }
  return undefined;
}

/** Larger means more special: fixed segments count most, `**` least. */
export function templateRank(template: string): number {
  const segments = template.slice(1).split('/');
  let rank = segments.at(-1) === '**' ? 0 : 1;
  for (const segment of segments) rank += segment === '**' ? 0 : isOpen(segment) ? 10 : 100;
  return rank;
}

function isOpen(segment: string): boolean {
  return segment === '*' || segment.startsWith('{');
}

/**
 * Compiles a template to a test of canonical paths (without a leading slash). `{id}` and `*` stand for one segment that is not empty, a last `**` for all
 * that follow, none included. Nothing is allocated per test.
 */
export function compileTemplate(template: string): (path: string) => boolean {
  const segments = template.slice(1).split('/');
  const rest = segments.at(-1) === '**';
  const fixed = rest ? segments.slice(0, -1) : segments;
  if (fixed.every((segment) => !isOpen(segment))) return literal(fixed.join('/'), rest);
  return (path) => {
    let at = 0;
    for (let i = 0; i < fixed.length; i++) {
      if (at > path.length) return false;
      const segment = fixed[i] as string;
      let end = path.indexOf('/', at);
      if (end < 0) end = path.length;
      if (isOpen(segment) ? end === at : end - at !== segment.length || !path.startsWith(segment, at)) return false;
      at = end + 1;
    }
    return rest || at === path.length + 1;
  };
}

function literal(text: string, rest: boolean): (path: string) => boolean {
  if (!rest) return (path) => path === text;
  if (text === '') return () => true;
  return (path) => path.startsWith(text) && (path.length === text.length || path.charCodeAt(text.length) === 47);
}
