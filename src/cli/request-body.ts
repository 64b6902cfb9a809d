import { resolve } from 'node:path';
import { ProaError } from '../kernel/errors.ts';
import type { CommandContext } from './context.ts';
import { UsageError } from './parse-args.ts';

/** The body of --data or --data-file with its content type (JSON when it is JSON); undefined when neither was given. */
export async function requestBody({
  ports,
  args,
}: CommandContext): Promise<{ readonly bytes: Uint8Array; readonly contentType: string } | undefined> {
  const { data, 'data-file': file } = args.values;
  if (data !== undefined && file !== undefined) throw new UsageError('--data and --data-file exclude each other');
  if (data === undefined && file === undefined) return undefined;
  const bytes =
    file === undefined
      ? new TextEncoder().encode(data)
      : await ports.disk.readFile(resolve(ports.process.cwd(), file)).catch((cause: unknown) => {
          throw new ProaError('bad-request', `${file} cannot be read`, { cause });
        });
  return { bytes, contentType: isJson(bytes) ? 'application/json' : 'text/plain' };
}

const shownMax = 60;

/** The same where it must be JSON. Fails with a UsageError that shows how to write what was probably meant. */
export async function jsonBody(context: CommandContext): Promise<Uint8Array | undefined> {
  const body = await requestBody(context);
  if (body === undefined || body.contentType === 'application/json') return body?.bytes;
  const { data, 'data-file': file } = context.args.values;
  if (data === undefined) throw new UsageError(`${file} does not hold JSON`, 'a file with a text has double quotes around it');
  if (data === '') throw new UsageError('--data is empty, and not JSON', 'leave it out, or say null');
  const shown = data.length <= shownMax ? data : `${data.slice(0, shownMax)}…`;
  const hint = /^\s*[[{]/.test(data)
    ? `names and texts have double quotes: --data '{"sku":"pear"}'`
    : `a text has double quotes around it: --data '${JSON.stringify(shown).replaceAll("'", String.raw`'\''`)}'`;
  throw new UsageError(`--data is not JSON: ${shown}`, hint);
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}
