import type { InferOutput } from 'valibot';
import { derive } from '../../kernel/call.ts';
import { ProaError } from '../../kernel/errors.ts';
import type { DriverContext } from '../../contracts/driver.ts';
import type { HttpMiddleware, HttpRequest } from '../../contracts/middleware.ts';
import type { config } from './config.ts';
import { compileTemplate, type Template } from './template.ts';

const routesMax = 1_000;
const textBytesMax = 256 * 1024;

interface Route {
  readonly matches: Template;
  readonly path: string;
}

/** Rewrites the paths that a template matches; the first one wins. Variables become query parameters, behind those of the request. */
export async function openRouterAlias(options: InferOutput<typeof config>, context: DriverContext): Promise<HttpMiddleware> {
  let routes: readonly Route[];
  try {
    routes = await parseRoutes(options.routes);
  } catch (cause) {
    throw new ProaError('component.init-failed', `middleware ${context.name}: ${(cause as Error).message}`, { cause });
  }
  return {
    filter: (next) => (call) => {
      const target = aliasOf(routes, call.input.target);
      return next(target === undefined ? call : derive(call, { input: { ...call.input, target } satisfies HttpRequest }));
    },
    close: async () => {},
  };
}

function aliasOf(routes: readonly Route[], target: string): string | undefined {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  for (const route of routes) {
    const variables = route.matches(path);
    if (variables === undefined) continue;
    const query = [mark < 0 ? '' : target.slice(mark + 1), variables.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&')];
    const text = query.filter((part) => part !== '').join('&');
    return text === '' ? route.path : `${route.path}${route.path.includes('?') ? '&' : '?'}${text}`;
  }
  return undefined;
}

// As Go's url.Values writes them, which reads a space from a plus.
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll('%20', '+');
}

async function parseRoutes(text: string): Promise<readonly Route[]> {
  if (text.trim() === '') return [];
  if (text.length > textBytesMax) throw new Error(`'routes' is larger than ${textBytesMax} bytes`);
  const { parse } = await import('yaml');
  let document: unknown;
  try {
    document = parse(text, { maxAliasCount: 0, schema: 'core' });
  } catch (cause) {
    throw new Error(`failed to decode 'routes' property as JSON or YAML: ${(cause as Error).message.split('\n')[0]}`, { cause });
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error("'routes' must be a map from templates to paths");
  const entries = Object.entries(document);
  if (entries.length > routesMax) throw new Error(`'routes' holds more than ${routesMax} routes`);
  return entries.map(([template, path]: [string, unknown]) => {
    if (typeof path !== 'string' || !path.startsWith('/') || /[\0-\x20#\x7f]/.test(path)) {
      throw new Error(`the route "${template}" must lead to a path that begins with a slash`);
    }
    return { matches: compileTemplate(template), path };
  });
}
