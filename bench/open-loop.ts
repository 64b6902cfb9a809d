// An open loop: requests leave at a fixed rate whether or not answers come, as users do. Prints one line of JSON.
// Arguments: port, path, requests per second, seconds, and how late an answer may be to count (ms); then, for a spike, its requests per second, and
// from which second to which it lasts (0 0 0: none); then seconds of the same load before that, of which nothing counts: while this program's own code is
// compiled it stops for up to eight milliseconds at a time. `slices` holds, for each tenth of a second, the share of the requests sent in it that were
// answered well.
import { connect, type Socket } from 'node:net';

const numbers = [2, 4, 5, 6, 7, 8, 9, 10].map((at) => Number(process.argv[at] ?? 0));
const [port = 0, rate = 0, seconds = 0, deadlineMs = 0, spikeRate = 0, spikeFrom = 0, spikeTo = 0, warmSeconds = 0] = numbers;
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
const periodOfNothing = () => ({
  counts: { sent: 0, good: 0, late: 0, refused: 0, failed: 0 },
  times: [] as number[],
  slices: Array.from({ length: Math.ceil((seconds * 1000) / sliceMs) }, () => ({ sent: 0, good: 0 })),
});
/** Both are counted by the same code: that it counts for the first time would be compiled anew. */
const warming = periodOfNothing();
const measured = periodOfNothing();
/** What is sent before counts for nothing. */
const began = performance.now() + warmSeconds * 1000;
/** Sent so far, also what does not count. */
let left = 0;

/** How many requests should have left after that many seconds of what counts. */
function dueAfter(elapsed: number): number {
  if (elapsed < 0) return (warmSeconds + elapsed) * rate;
  const spiked = Math.max(0, Math.min(elapsed, spikeTo) - spikeFrom);
  return (warmSeconds + elapsed - spiked) * rate + spiked * spikeRate;
}

/** What is counted of requests that were sent at that time. */
function periodAt(timeMs: number): typeof measured {
  return timeMs < began ? warming : measured;
}

function sliceAt({ slices }: typeof measured, timeMs: number): { sent: number; good: number } {
  const at = Math.max(0, Math.floor((timeMs - began) / sliceMs));
  return slices[Math.min(slices.length - 1, at)] as { sent: number; good: number };
}

function send(): void {
  left++;
  const now = performance.now();
  const period = periodAt(now);
  period.counts.sent++;
  sliceAt(period, now).sent++;
  const line = idle.pop() ?? (lines.size < linesMax ? dial() : undefined);
  if (line === undefined) {
    period.counts.failed++;
    return;
  }
  line.begun = now;
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
    if (line.begun === 0) idle.splice(idle.indexOf(line), 1);
    else periodAt(line.begun).counts.failed++;
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
  const period = periodAt(begun);
  const { counts } = period;
  if (!text.startsWith('HTTP/1.1 200')) counts.refused++;
  else if (tookMs > deadlineMs) counts.late++;
  else {
    counts.good++;
    sliceAt(period, begun).good++;
    period.times.push(tookMs);
  }
}

await new Promise<void>((resolve) => {
  const tick = setInterval(() => {
    const elapsedMs = performance.now() - began;
    const due = dueAfter(Math.min(elapsedMs / 1000, seconds));
    while (left < due) send();
    if (elapsedMs < seconds * 1000 + deadlineMs + 200) return;
    clearInterval(tick);
    resolve();
  }, 1);
});
const { counts, times, slices } = measured;
const sorted = times.toSorted((a, b) => a - b);
const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
const shares = slices.map((slice) => (slice.sent === 0 ? 1 : slice.good / slice.sent));
console.log(JSON.stringify({ ...counts, goodput: counts.good / seconds, p50Ms: at(0.5), p99Ms: at(0.99), slices: shares }));
process.exit(0);
