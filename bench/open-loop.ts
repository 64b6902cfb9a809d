// An open loop: requests leave at a fixed rate whether or not answers come, as users do. Prints one line of JSON.
// Arguments: port, path, requests per second, seconds, and how late an answer may be to count (ms); then, for a spike, its requests per second, and
// from which second to which it lasts. `slices` holds, for each tenth of a second, the share of the requests sent in it that were answered well.
import { connect, type Socket } from 'node:net';

const [port = 0, rate = 0, seconds = 0, deadlineMs = 0, spikeRate = 0, spikeFrom = 0, spikeTo = 0] = [2, 4, 5, 6, 7, 8, 9].map((at) =>
  Number(process.argv[at] ?? 0),
);
const sliceMs = 100;
const request = `GET ${process.argv[3]} HTTP/1.1\r\nhost: bench\r\n\r\n`;
const linesMax = 4_000;

/** A connection; it carries one request at a time. `begun` is 0 while it is idle. */
interface Line {
  readonly socket: Socket;
  begun: number;
  text: string;
}

const lines = new Set<Line>();
const idle: Line[] = [];
const counts = { sent: 0, good: 0, late: 0, refused: 0, failed: 0 };
const times: number[] = [];
const slices = Array.from({ length: Math.ceil((seconds * 1000) / sliceMs) }, () => ({ sent: 0, good: 0 }));

/** How many requests should have left after that many seconds. */
function dueAfter(elapsed: number): number {
  const spiked = Math.max(0, Math.min(elapsed, spikeTo) - spikeFrom);
  return (elapsed - spiked) * rate + spiked * spikeRate;
}

function sliceAt(timeMs: number): { sent: number; good: number } {
  return slices[Math.min(slices.length - 1, Math.floor((timeMs - began) / sliceMs))] as { sent: number; good: number };
}

function send(): void {
  counts.sent++;
  sliceAt(performance.now()).sent++;
  const line = idle.pop() ?? (lines.size < linesMax ? dial() : undefined);
  if (line === undefined) {
    counts.failed++;
    return;
  }
  line.begun = performance.now();
  line.text = '';
  line.socket.write(request);
}

function dial(): Line {
  const socket = connect(port, '127.0.0.1').setNoDelay(true).setEncoding('latin1');
  const line: Line = { socket, begun: 0, text: '' };
  lines.add(line);
  socket.on('data', (chunk: string) => {
    line.text += chunk;
    if (!whole(line.text)) return;
    settle(line);
    line.begun = 0;
    idle.push(line);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    lines.delete(line);
    if (line.begun > 0) counts.failed++;
    else idle.splice(idle.indexOf(line), 1);
  });
  return line;
}

function whole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = /content-length: (\d+)/i.exec(text)?.[1];
  return end >= 0 && length !== undefined && text.length >= end + 4 + Number(length);
}

function settle({ text, begun }: Line): void {
  const tookMs = performance.now() - begun;
  if (!text.startsWith('HTTP/1.1 200')) counts.refused++;
  else if (tookMs > deadlineMs) counts.late++;
  else {
    counts.good++;
    sliceAt(begun).good++;
    times.push(tookMs);
  }
}

const began = performance.now();
await new Promise<void>((resolve) => {
  const tick = setInterval(() => {
    const elapsedMs = performance.now() - began;
    const due = dueAfter(Math.min(elapsedMs / 1000, seconds));
    while (counts.sent < due) send();
    if (elapsedMs < seconds * 1000 + deadlineMs + 200) return;
    clearInterval(tick);
    resolve();
  }, 1);
});
const sorted = times.toSorted((a, b) => a - b);
const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
const shares = slices.map((slice) => (slice.sent === 0 ? 1 : slice.good / slice.sent));
console.log(JSON.stringify({ ...counts, goodput: counts.good / seconds, p50Ms: at(0.5), p99Ms: at(0.99), slices: shares }));
process.exit(0);
