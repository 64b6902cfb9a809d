import { callRuntime } from '../call-runtime.ts';
import type { CommandContext } from '../context.ts';
import { UsageError, valueOrDefault } from '../parse-args.ts';
import { requestBody } from '../request-body.ts';

/** `proa invoke`: calls a method of an app through its own runtime. */
export async function run(context: CommandContext): Promise<number> {
  const { values } = context.args;
  const { 'app-id': appId, method } = values;
  if (appId === undefined || method === undefined) throw new UsageError('--app-id and --method are needed', context.command.examples[0]);
  const verb = (valueOrDefault(values, 'verb') as string).toUpperCase();
  if (!/^[A-Z]{3,10}$/.test(verb)) throw new UsageError(`"${verb}" is no HTTP verb`);
  if (/[\s\u0000-\u001f]/.test(method)) throw new UsageError('--method must not hold spaces');
  const body = await requestBody(context);
  const path = `/v1.0/invoke/${encodeURIComponent(appId)}/method/${method.replace(/^\/+/, '')}`;
  return callRuntime(context, { appId, method: verb, path, ...(body && { body: body.bytes, contentType: body.contentType }) });
}
