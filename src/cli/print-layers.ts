import type { ExplainedLayer } from '../host/admin.ts';
import type { CommandContext } from './context.ts';

/** Prints a stack: for each layer its role and reason, and below it the parameters with the places where they were written. */
export function printLayers(title: string, layers: readonly ExplainedLayer[], { output }: CommandContext): void {
  output.line();
  output.line(`${title}, outermost first`);
  for (const { role, why, parameters, origins } of layers) {
    output.line(`  ${output.style('bold', role.padEnd(12))} ${output.style('dim', why)}`);
    for (const [name, value] of Object.entries(parameters)) {
      const origin = origins[name];
      output.line(`  ${''.padEnd(12)} ${name}: ${String(value)}${origin === undefined ? '' : output.style('dim', `  (${origin})`)}`);
    }
  }
}
