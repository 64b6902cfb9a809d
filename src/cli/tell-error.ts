import { isProaError } from '../kernel/errors.ts';
import { exitCodes } from './context.ts';
import type { Output } from './output.ts';
import { UsageError } from './parse-args.ts';

const rendered = /^(?:error|warning)\[/;

/** Says why a command of that name failed; answers the exit code. Rendered problems of configuration stand by themselves. */
export function tellError(thrown: unknown, commandName: string, output: Output): number {
  if (thrown instanceof UsageError) {
    output.error(thrown.message, thrown.hint ?? `proa help ${commandName}`);
    return exitCodes.usage;
  }
  if (!isProaError(thrown)) {
    output.error(thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown), 'this is a bug of Proa: please report it');
    return exitCodes.internal;
  }
  const { code, message, hint } = thrown;
  if (code !== 'config.invalid') output.error(`${message} [${code}]`, hint);
  else if (output.json || !rendered.test(message)) output.error(message, hint);
  else output.problems(message);
  return code === 'not-found' ? exitCodes.notFound : exitCodes.failed;
}
