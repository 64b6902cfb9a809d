import { dirname } from 'node:path';
import type { DiskFile, Ports } from '../../kernel/ports.ts';

/** A log is exchanged for a new one at this size; one old one is kept beside it as `.1`. */
const sizeMax = 10 * 1024 * 1024;
/** Lines waiting for a slow disk; beyond it lines are dropped and counted. */
const pendingBytesMax = 1024 * 1024;

/** A text file that lines are added to without anybody waiting for it. Errors end it silently: a log must not stop an app. */
export class LogFile {
  readonly path: string;
  readonly #ports: Ports;
  #file: DiskFile | undefined;
  #position = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #broken = false;

  constructor(ports: Ports, path: string) {
    this.#ports = ports;
    this.path = path;
  }

  /** Opens the file anew; false when it cannot be written. */
  async open(): Promise<boolean> {
    try {
      await this.#ports.disk.makeDirectory(dirname(this.path), 0o700);
      await this.#rotate();
      return true;
    } catch {
      this.#broken = true;
      return false;
    }
  }

  add(line: string): void {
    if (this.#broken) return;
    const bytes = new TextEncoder().encode(`${line}\n`);
    if (this.#pendingBytes + bytes.length > pendingBytesMax) {
      this.#dropped += 1;
      return;
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#writing ??= this.#drain();
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close().catch(() => {});
    this.#file = undefined;
    this.#broken = true;
  }

  async #drain(): Promise<void> {
    // Leaves the caller's turn first, so that one write carries many lines.
    await new Promise<void>((resolve) => this.#ports.clock.soon(resolve));
    try {
      while (this.#pending.length > 0 && !this.#broken) {
        const chunks = this.#pending;
        const bytes = this.#pendingBytes;
        this.#pending = [];
        this.#pendingBytes = 0;
        if (this.#position > 0 && this.#position + bytes > sizeMax) await this.#rotate();
        await this.#file?.write(chunks, this.#position);
        this.#position += bytes;
        if (this.#dropped > 0) {
          const note = new TextEncoder().encode(`[${this.#dropped} lines were dropped: the disk is too slow]\n`);
          this.#dropped = 0;
          this.#pending.push(note);
          this.#pendingBytes += note.length;
        }
      }
    } catch {
      this.#broken = true;
    }
    this.#writing = undefined;
  }

  async #rotate(): Promise<void> {
    const { disk } = this.#ports;
    await this.#file?.close();
    const before = await disk.stat(this.path);
    if (before !== undefined && before.sizeBytes > 0) await disk.rename(this.path, `${this.path}.1`);
    this.#file = await disk.open(this.path, 'write');
    await this.#file.truncate(0);
    this.#position = 0;
  }
}
