import { callRuntime } from '../call-runtime.ts';
import type { CommandContext } from '../context.ts';
import { UsageError, valueOrDefault } from '../parse-args.ts';
import { requestBody } from '../request-body.ts';

function metadataQuery(text: string | undefined): string {
  if (text === undefined) return '';
  let metadata: unknown;
  try {
    metadata = JSON.parse(text);
  } catch {
    metadata = undefined;
  }
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new UsageError('--metadata must be a JSON object');
  const pairs = Object.entries(metadata).map(
    ([name, value]) => `metadata.${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

/** `proa publish`: publishes one event on behalf of a running app. */
export async function run(context: CommandContext): Promise<number> {
  const { values } = context.args;
  const { 'publish-app-id': appId, topic } = values;
  if (appId === undefined || topic === undefined)
    throw new UsageError('--publish-app-id and --topic are needed', context.command.examples[0]);
  const body = await requestBody(context);
  if (body === undefined) throw new UsageError('--data or --data-file is needed');
  const pubsub = valueOrDefault(values, 'pubsub') as string;
  const topicPath = topic.split('/').map(encodeURIComponent).join('/');
  const path = `/v1.0/publish/${encodeURIComponent(pubsub)}/${topicPath}${metadataQuery(values.metadata)}`;
  return callRuntime(context, { appId, method: 'POST', path, body: body.bytes, contentType: body.contentType });
}
