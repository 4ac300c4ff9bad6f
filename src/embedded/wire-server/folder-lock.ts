import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A process by its pid and, where the system tells, its start: containers begin with pid 1 every time. */
function identity(pid: number): string {
  try {
    return `${pid} ${readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19]}`;
  } catch {
    // No such process, or no /proc.
  }
  try {
    process.kill(pid, 0);
    return String(pid);
  } catch {
    return '';
  }
}

/** One live server per folder. Returns how to give the folder back; a lock left by a crash is taken over. */
export function lockFolder(folder: string): () => void {
  const file = path.join(folder, 'server.lock');
  try {
    const holder = readFileSync(file, 'utf8');
    if (identity(Number.parseInt(holder, 10)) === holder)
      throw new Error(`another server (pid ${holder.split(' ')[0]}) uses the data folder ${folder}`);
    unlinkSync(file);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  writeFileSync(file, identity(process.pid), { flag: 'wx' });
  return () => unlinkSync(file);
}
