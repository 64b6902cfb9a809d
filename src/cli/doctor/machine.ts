import type { Check, Finding } from './check.ts';

/** The oldest Node that Proa runs on, and the one it recommends. */
const oldest = [20, 19] as const;
const recommendedMajor = 24;

export const checkNode: Check = async ({ ports }) => {
  const { nodeVersion } = ports.process;
  const [major = 0, minor = 0] = nodeVersion.replace(/^v/, '').split('.').map(Number);
  const base = { group: 'Machine', name: 'Node', detail: nodeVersion } as const;
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    return [{ ...base, status: 'failed', fix: `install Node ${oldest.join('.')} or newer; ${recommendedMajor} is recommended` }];
  }
  if (major < recommendedMajor) return [{ ...base, status: 'warning', fix: `works; Node ${recommendedMajor} is recommended` }];
  return [{ ...base, status: 'ok' }];
};

export const checkSystem: Check = async ({ ports }) => {
  const { platform } = ports.process;
  const base = { group: 'Machine', name: 'system', detail: platform } as const;
  if (platform === 'linux') return [{ ...base, status: 'ok' }];
  if (platform === 'darwin')
    return [{ ...base, status: 'warning', fix: 'expected to work; ports of applications are found less quickly than on Linux' }];
  return [{ ...base, status: 'failed', fix: 'use Linux, macOS, or Windows through WSL' }];
};

/** A clock far off breaks certificates, TTLs that people read, and traces. */
export const checkClock: Check = async ({ ports }) => {
  const { clock } = ports;
  const before = { wall: clock.now(), mono: clock.mono() };
  await new Promise<void>((resolve) => void clock.timer(50, resolve));
  const driftMs = clock.now() - before.wall - (clock.mono() - before.mono);
  const base: Pick<Finding, 'group' | 'name'> = { group: 'Machine', name: 'clock' };
  const detail = new Date(clock.now()).toISOString();
  // 2025-01-01: older than this program.
  if (clock.now() < 1_735_689_600_000) return [{ ...base, status: 'failed', detail, fix: 'set the time of the machine' }];
  if (Math.abs(driftMs) > 20)
    return [{ ...base, status: 'warning', detail: `jumped by ${Math.round(driftMs)} ms`, fix: 'check time synchronisation' }];
  return [{ ...base, status: 'ok', detail }];
};
