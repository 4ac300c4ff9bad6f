import type { Invariant, ProcessRecord } from './evidence.ts';

export const processesEndWell: Invariant = {
  id: 'I9',
  title: 'no process ends by itself or with a wrong exit code, none meets a fault that nobody caught',
  check({ processes, leftBehind }) {
    const wrong = processes.flatMap(process =>
      [...wrongExit(process), ...process.alarms].map(text => `${process.name} ${text}`),
    );
    return [...wrong, ...leftBehind].map(text => ({ text }));
  },
};

function wrongExit({ exit, endedBy }: ProcessRecord): string[] {
  if (!exit) return ['did not end when it was told to'];
  const how = exit.signal ?? `exit code ${exit.code}`;
  if (endedBy === null) return [`ended by itself: ${how}`];
  if (endedBy === 'SIGKILL') return exit.signal === 'SIGKILL' ? [] : [`was killed and yet ended with ${how}`];
  return exit.code === 0 ? [] : [`answered SIGTERM with ${how}`];
}
