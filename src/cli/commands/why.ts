import type { CallRecord } from '../../host/admin.ts';
import { askRuntimes, tellProblems } from '../ask-runtimes.ts';
import { exitCodes, type CommandContext } from '../context.ts';
import { UsageError } from '../parse-args.ts';
import { printStory } from '../story.ts';

const traceparent = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** `proa why`: what decided the fate of one call, from all runtimes of this machine. Exit code 4 when none remembers it, 6 when none answers. */
export async function run(context: CommandContext): Promise<number> {
  const { args, output } = context;
  const [given, ...rest] = args.positionals;
  const written = given?.trim().toLowerCase() ?? '';
  const traceId = traceparent.exec(written)?.[1] ?? written;
  if (!/^[0-9a-f]{32}$/.test(traceId) || rest.length > 0)
    throw new UsageError(
      'which call? Give the header traceparent of its answer, or the trace id in it',
      'proa why 4bf92f3577b34da6a3ce929d0e0e4736',
    );
  const answers = await askRuntimes<{ calls: readonly CallRecord[] }>(context, `/proa/v1/why/${traceId}`);
  const code = tellProblems(answers, context);
  if (answers.length === 0) output.error('no runtime runs on this machine', 'proa list');
  if (code !== exitCodes.ok) return code;
  const calls = answers.flatMap((answer) => ('value' in answer ? answer.value.calls : [])).toSorted(byTime);
  if (output.json) output.value({ traceId, calls });
  else if (calls.length > 0) printStory(traceId, calls, output);
  if (calls.length > 0) return exitCodes.ok;
  output.error(
    `no runtime of this machine remembers the trace ${traceId}`,
    'calls that succeed at the first attempt are remembered when they are sampled: spec.tracing.samplingRate of a Configuration',
  );
  return exitCodes.notFound;
}

/** The caller's half of a call comes before the callee's, whatever the clocks' last digits say. */
function byTime(a: CallRecord, b: CallRecord): number {
  return a.startedAtMs - b.startedAtMs || Number(a.side === 'inbound') - Number(b.side === 'inbound');
}
