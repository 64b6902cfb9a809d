import type { ChildProcess, SendHandle } from 'node:child_process';
import type net from 'node:net';
import type { Address, ForkOptions, LinkReceiver, ParentLink, SharedListener, WorkerProcess } from '../../kernel/ports.ts';
import { serverOf, type NodeNetwork } from './network.ts';

/** A message as it goes over the link; the address tells what the socket that comes with it is bound to. */
interface Parcel {
  readonly message: unknown;
  readonly address?: Address;
}

/** Processes of the same program that share sockets with this one, over Node's channel between parent and child. */
export function createWorkers(network: NodeNetwork): { fork(options: ForkOptions): WorkerProcess; parent(): ParentLink | undefined } {
  const open = (parcel: unknown, handle: unknown, received: LinkReceiver): void => {
    const { message, address } = parcel as Parcel;
    const shared: SharedListener | undefined =
      address === undefined || handle === undefined ? undefined : network.adopt(handle as net.Server, address);
    received(message, shared);
  };
  return {
    fork: (options) => forked(options, open),
    parent() {
      if (process.send === undefined) return undefined;
      return {
        send(message) {
          if (process.connected) process.send?.({ message } satisfies Parcel, undefined, undefined, () => {});
        },
        listen(received, gone) {
          process.on('message', (parcel, handle) => open(parcel, handle, received));
          process.on('disconnect', gone);
        },
      };
    },
  };
}

type Open = (parcel: unknown, handle: unknown, received: LinkReceiver) => void;

function forked(options: ForkOptions, open: Open): WorkerProcess {
  // Loaded on first use: a runtime without workers does not pay for the module.
  const { fork } = process.getBuiltinModule('node:child_process');
  const child: ChildProcess = fork(process.argv[1] as string, [...options.args], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  child.stdout?.on('data', (chunk: Buffer) => options.output('stdout', chunk));
  child.stderr?.on('data', (chunk: Buffer) => options.output('stderr', chunk));
  child.on('message', (parcel, handle) => open(parcel, handle, options.received));
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
    send(message, listener) {
      if (!child.connected) return;
      const parcel: Parcel = listener === undefined ? { message } : { message, address: listener.address };
      const handle: SendHandle | undefined = listener === undefined ? undefined : serverOf(listener);
      child.send(parcel as object, handle, undefined, () => {});
    },
  };
}
