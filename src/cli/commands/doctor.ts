import { exitCodes, type CommandContext } from '../context.ts';
import type { Check, Finding } from '../doctor/check.ts';
import { checkClock, checkNode, checkSystem } from '../doctor/machine.ts';
import { checkProject } from '../doctor/project.ts';
import { checkData, checkPorts, checkRuns } from '../doctor/surroundings.ts';

const checks: readonly Check[] = [checkNode, checkSystem, checkClock, checkPorts, checkData, checkRuns, checkProject];

/** `proa doctor`: looks at machine and project; exit code 3 when something fails. */
export async function run(context: CommandContext): Promise<number> {
  const { output } = context;
  const findings: Finding[] = [];
  for (const check of checks) findings.push(...(await check(context)));
  const failed = findings.filter(({ status }) => status === 'failed').length;
  if (output.json) output.value({ ok: failed === 0, findings });
  else print(findings, context);
  return failed === 0 ? exitCodes.ok : exitCodes.unsatisfied;
}

function print(findings: readonly Finding[], { output }: CommandContext): void {
  const marks = { ok: output.style('green', '✓'), warning: output.style('yellow', '!'), failed: output.style('red', '✗') } as const;
  let group = '';
  for (const finding of findings) {
    if (finding.group !== group) {
      output.line(output.style('bold', finding.group));
      group = finding.group;
    }
    output.line(`  ${marks[finding.status]} ${finding.name}: ${finding.detail}`);
    if (finding.fix !== undefined) for (const line of finding.fix.split('\n')) output.line(`      ${line}`);
  }
}
