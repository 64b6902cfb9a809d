// The load of the workflow benches: chains one after the other in each of some lanes, first to warm the process up (its code is compiled then, ours and a peer's
// alike), then counted.

/** Seconds of load before the shot that counts: an SDK's rate still grows after five of them. */
const warmSeconds = 10;

async function load(one, seconds, lanes) {
  const [cpu, began] = [process.cpuUsage(), performance.now()];
  const end = began + seconds * 1_000;
  let count = 0;
  const lane = async () => {
    for (; performance.now() < end; count++) await one();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const { user, system } = process.cpuUsage(cpu);
  return { rate: count / ((performance.now() - began) / 1_000), count, cpuUs: user + system };
}

/** Prints a line when it is warm, and then what was measured: chains per second, their number, and microseconds of CPU that this process used for all of them. */
export async function measure(one, seconds, lanes, print = console.log) {
  await load(one, warmSeconds, lanes);
  print('warm');
  print(JSON.stringify(await load(one, seconds, lanes)));
}
