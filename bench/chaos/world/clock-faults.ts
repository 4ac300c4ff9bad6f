import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { monotonicMs } from '../monotonic.ts';
import { type Fault, inRounds, type Rhythm } from './faults.ts';

const LIBRARY = 'libfaketimeMT.so.1';
const TRIED_S = 5_000;

/** Why clocks cannot be moved here, both ways tried; null when they can. */
export async function missingFaketime(): Promise<string | null> {
  if (!findFaketime()) return 'needs libfaketime (Debian package libfaketime)';
  const folder = mkdtempSync(join(tmpdir(), 'ledgermq-clock-'));
  try {
    const jumping = jumpingClockEnv(folder);
    writeFileSync(clockFile(folder), offset(TRIED_S));
    const moved = [await secondsMoved(wrongClockEnv(TRIED_S)), await secondsMoved(jumping)];
    return moved.every(seconds => Math.abs(seconds - TRIED_S) < TRIED_S / 2)
      ? null
      : `libfaketime moves no clock here: ${moved.join(' s, ')} s instead of ${TRIED_S} s`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** By how much a Node process with this environment has another time than this one. */
async function secondsMoved(env: Record<string, string>): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-p', 'Date.now()'], { env });
  return Math.round((Number(stdout) - Date.now()) / 1_000);
}

/** Where Debian (a folder of the machine's kind) and others keep libfaketime; null: not on this machine. */
function findFaketime(): string | null {
  const kinds = list('/usr/lib').filter(name => name.endsWith('-linux-gnu'));
  const folders = [...kinds.map(kind => join('/usr/lib', kind)), '/usr/lib', '/usr/local/lib'];
  const found = folders.map(folder => join(folder, 'faketime')).find(folder => list(folder).includes(LIBRARY));
  return found ? join(found, LIBRARY) : null;
}

/** The environment of a process whose wall clock is wrong; its monotonic clock stays as it is. */
export function wrongClockEnv(seconds: number): Record<string, string> {
  return { ...faketime(), FAKETIME: offset(seconds) };
}

/** The environment of a process whose wall clock `jumpClocks` sets. */
export function jumpingClockEnv(runDir: string): Record<string, string> {
  writeFileSync(clockFile(runDir), offset(0));
  return { ...faketime(), FAKETIME_TIMESTAMP_FILE: clockFile(runDir), FAKETIME_NO_CACHE: '1' };
}

/** The clocks that may jump go `seconds` ahead, and at the next jump back again. */
export function jumpClocks(options: Rhythm & { seconds: number }): Fault {
  return inRounds(options, async ({ world, log }, _signal, number) => {
    const bySeconds = number % 2 === 0 ? options.seconds : 0;
    writeFileSync(clockFile(world.runDir), offset(bySeconds));
    log.push({ kind: 'jump', at: monotonicMs() });
    return true;
  });
}

function faketime(): Record<string, string> {
  return { LD_PRELOAD: findFaketime() ?? '', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1' };
}

function clockFile(runDir: string): string {
  return join(runDir, 'clock');
}

function offset(seconds: number): string {
  return `${seconds < 0 ? '' : '+'}${seconds}`;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
