import type { ChildProcess } from 'node:child_process';
import type { Address, ForkOptions, ParentLink, WorkerProcess } from '../../kernel/ports.ts';
import { fdOf, type NodeNetwork } from './network.ts';

/** Tells a worker what the sockets are bound to that it inherits; they follow standard input, output, error and the link. */
const socketsVariable = 'PROA_WORKER_SOCKETS';
const firstSocketFd = 4;

/** Processes of the same program that share sockets with this one, over Node's channel between parent and child. */
export function createWorkers(network: NodeNetwork): { fork(options: ForkOptions): WorkerProcess; parent(): ParentLink | undefined } {
  return {
    fork: forked,
    parent() {
      if (process.send === undefined) return undefined;
      const addresses = JSON.parse(process.env[socketsVariable] ?? '[]') as Address[];
      return {
        sockets: addresses.map((address, i) => network.adopt(firstSocketFd + i, address)),
        send(message) {
          if (process.connected) process.send?.(message, undefined, undefined, () => {});
        },
        listen(received, gone) {
          process.on('message', received);
          process.on('disconnect', gone);
        },
      };
    },
  };
}

// Sockets are inherited, not sent over the link: a server that Node makes of one that was sent would accept at once, before anybody serves.
function forked(options: ForkOptions): WorkerProcess {
  // Loaded on first use: a runtime without workers does not pay for the module.
  const { fork } = process.getBuiltinModule('node:child_process');
  const child: ChildProcess = fork(process.argv[1] as string, [...options.args], {
    // Answers of stores are bytes.
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...options.listeners.map(fdOf)],
    env: { ...process.env, [socketsVariable]: JSON.stringify(options.listeners.map(({ address }) => address)) },
  });
  child.stdout?.on('data', (chunk: Buffer) => options.output('stdout', chunk));
  child.stderr?.on('data', (chunk: Buffer) => options.output('stderr', chunk));
  child.on('message', options.received);
  const exit = new Promise<Awaited<WorkerProcess['exit']>>((resolve) => {
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: undefined, signal: undefined, error });
    });
    child.on('exit', (code, signal) => resolve({ code: code ?? undefined, signal: signal ?? undefined }));
  });
  return {
    pid: child.pid ?? 0,
    exit,
    kill: (signal) => void child.kill(signal),
    send(message) {
      if (child.connected) child.send(message as object, () => {});
    },
  };
}
