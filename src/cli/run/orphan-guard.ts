import type { Child, Ports } from '../../kernel/ports.ts';

// Reads `+ <group>` and `- <group>` until its input ends: with every group forgotten, or because the run is gone. What is left is ended as a run
// would end it. Its own group is not the terminal's, so Ctrl-C does not reach it, and it outlives a run that is killed.
const script = `
list=' '
while read -r what group; do
  case $what in
    +) list="$list$group " ;;
    -) list="\${list%% $group *} \${list#* $group }" ;;
  esac
done
for group in $list; do kill -TERM "-$group" 2>/dev/null; done
turns=0
while [ $turns -lt 50 ]; do
  alive=
  for group in $list; do kill -0 "-$group" 2>/dev/null && alive=yes; done
  [ -z "$alive" ] && exit 0
  sleep 0.1
  turns=$((turns + 1))
done
for group in $list; do kill -KILL "-$group" 2>/dev/null; done
`;

/**
 * Ends the applications of a run that was killed and could not end them itself. A shell waits at the end of a pipe that this process holds: a kernel
 * closes it however a process ends. Where there is no shell, applications live on until `proa stop --all`.
 */
export class OrphanGuard {
  readonly #ports: Ports;
  #shell: Child | undefined;

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  /** A process group runs from now on. */
  watch(group: number): void {
    this.#shell ??= this.#ports.process.spawn({ command: '/bin/sh', args: ['-c', script], cwd: '/', env: {}, input: true, output() {} });
    this.#shell.write(`+ ${group}\n`);
  }

  /** It has ended, and its number may soon be another's. */
  forget(group: number): void {
    this.#shell?.write(`- ${group}\n`);
  }

  /** Lets the shell end. */
  close(): void {
    this.#shell?.endInput();
    this.#shell = undefined;
  }
}
