import { endedByDeed, isEndOf, withoutExpectedAlarms } from './deeds.ts';
import type { Evidence, Invariant, ProcessRecord } from './evidence.ts';

export const processesEndWell: Invariant = {
  id: 'I9',
  title: 'no process ends by itself or with a wrong exit code, none meets a fault that nobody caught',
  check(casebook) {
    const { processes, leftBehind, faults } = casebook;
    const wrong = processes.flatMap(process =>
      [...wrongExit(process, faults), ...withoutExpectedAlarms(process, casebook)].map(
        text => `${process.name} ${text}`,
      ),
    );
    return [...wrong, ...leftBehind].map(text => ({ text }));
  },
};

function wrongExit(process: ProcessRecord, faults: Evidence['faults']): string[] {
  const { name, exit, endedBy } = process;
  if (!exit) return ['did not end when it was told to'];
  const how = exit.signal ?? `exit code ${exit.code}`;
  if (endedBy === null) {
    const deed = endedByDeed(process, faults);
    return deed && isEndOf(deed, exit) ? [] : [`ended by itself: ${how}`];
  }
  if (endedBy === 'SIGKILL') return exit.signal === 'SIGKILL' ? [] : [`was killed and yet ended with ${how}`];
  const term = faults.find(fault => fault.kind === 'term' && fault.worker === name);
  const right = term?.kind === 'term' ? term.exits : 0;
  return exit.code === right ? [] : [`answered SIGTERM with ${how}, ${right} was right`];
}
