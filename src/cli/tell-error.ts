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
  const refusal = systemRefusal(thrown);
  if (refusal !== undefined) {
    output.error(refusal, hints[(thrown as { code: string }).code]);
    return exitCodes.failed;
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

const hints: Readonly<Record<string, string>> = {
  EACCES: 'this user may not do that: look at owner and mode, or name another place',
  EPERM: 'this user may not do that: look at owner and mode, or name another place',
  EROFS: 'the file system is mounted for reading only: name another place',
  ENOSPC: 'free some space, or name another place',
  EDQUOT: 'free some space, or name another place',
  EMFILE: 'too many files are open: raise the limit (`ulimit -n`)',
  ENFILE: 'too many files are open on this machine',
};

/** What the system said when it refused something for a reason that the user can mend; undefined: that is another error. */
function systemRefusal(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || isProaError(thrown)) return undefined;
  const { code = '', syscall } = thrown as { readonly code?: string; readonly syscall?: unknown };
  return typeof syscall === 'string' && Object.hasOwn(hints, code) ? thrown.message : undefined;
}
