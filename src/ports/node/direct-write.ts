import { getSystemErrorName } from 'node:util';
import type { Socket } from 'node:net';

/** What a write is told of when the kernel did not take all of it at once. */
interface WriteRequest {
  oncomplete: (status: number) => void;
  /** Must live until then. */
  bytes?: Uint8Array;
}

interface Handle {
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
}

interface StreamBinding {
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kLastWriteWasAsync: number;
}

/** How a direct write went: all of it is with the kernel, the rest leaves later, or the system's error. */
export type Written = 'now' | 'later' | Error;

/**
 * Writes to the handles of sockets, past their streams. A stream makes a request for every write, an object that C++ knows too, and passes through five
 * functions; a write that the kernel takes whole needs none of that, and they are nearly all. One request serves all of those, and one that the kernel did not
 * take whole keeps its own.
 *
 * What is used of Node is not documented: where a part of it is missing there is no such writer, and everything goes through the streams.
 */
export class DirectWriter {
  readonly #binding: StreamBinding;
  readonly #state: Int32Array;
  readonly #asyncAt: number;
  #spare: WriteRequest;

  private constructor(binding: StreamBinding) {
    this.#binding = binding;
    this.#state = binding.streamBaseState;
    this.#asyncAt = binding.kLastWriteWasAsync;
    this.#spare = new binding.WriteWrap();
  }

  /** Undefined where this Node has no such binding, or forbids it. */
  static open(): DirectWriter | undefined {
    try {
      const { binding } = process as unknown as { binding?: (name: string) => StreamBinding };
      const found = binding?.call(process, 'stream_wrap');
      const known = typeof found?.WriteWrap === 'function' && typeof found.kLastWriteWasAsync === 'number';
      return known && found.streamBaseState instanceof Int32Array ? new DirectWriter(found) : undefined;
    } catch {
      return undefined;
    }
  }

  /** The handle of an open socket; undefined when it has none that can be written to like this. */
  static handleOf(socket: Socket): Handle | undefined {
    const handle = (socket as unknown as { _handle?: Handle | null })._handle;
    return typeof handle?.writeLatin1String === 'function' && typeof handle.writeBuffer === 'function' ? handle : undefined;
  }

  /** `complete` is called once after 'later', with the system's error if the rest could not be sent, and for nothing else. */
  write(handle: Handle, data: string | Uint8Array, complete: (error?: Error) => void): Written {
    const request = this.#spare;
    const status = typeof data === 'string' ? handle.writeLatin1String(request, data) : handle.writeBuffer(request, data);
    if (status !== 0) return systemError(status);
    if (this.#state[this.#asyncAt] === 0) return 'now';
    this.#spare = new this.#binding.WriteWrap();
    if (typeof data !== 'string') request.bytes = data;
    request.oncomplete = (code) => (code < 0 ? complete(systemError(code)) : complete());
    return 'later';
  }
}

export type { Handle as WriteHandle };

/** As Node's streams report it. */
function systemError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`write ${code}`), { errno, code, syscall: 'write' });
}
