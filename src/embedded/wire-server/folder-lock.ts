import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What tells a process from a later one with the same pid (containers start at pid 1 every time); '' where unknown. */
function startTime(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function isAlive(holder: string): boolean {
  const [pid = '', started = ''] = holder.split(' ');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  return started === '' || startTime(Number(pid)) === started;
}

/** One live server per folder. Returns how to give the folder back; a lock left by a crash is taken over. */
export function lockFolder(folder: string): () => void {
  const file = path.join(folder, 'server.lock');
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(file, `${process.pid} ${startTime(process.pid)}`, { flag: 'wx' });
      return () => unlinkSync(file);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST') || attempt > 2) throw error;
      const holder = readFileSync(file, 'utf8');
      if (isAlive(holder))
        throw new Error(`another server (pid ${holder.split(' ')[0]}) uses the data folder ${folder}`);
      unlinkSync(file);
    }
  }
}
