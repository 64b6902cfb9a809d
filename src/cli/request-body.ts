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

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return true;
  } catch {
    return false;
  }
}
