import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { builtPath } from '../helpers/build.ts';
import { testEnv } from '../helpers/config.ts';

const AWAY = { mongo: { uri: 'mongodb://127.0.0.1:1/?replicaSet=rs0' }, redis: { port: 1 } };

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Forks the entry as a worker does for an isolated run, with a MongoDB that does not answer. */
function startChild(): ChildProcess {
  const child = fork(builtPath('test/entries/chaos-process.js'), [], {
    cwd: tmpdir(),
    env: { ...testEnv(AWAY), LEDGERMQ_CHILD: 'true', WORKER_MODE: 'true' },
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  children.push(child);
  return child;
}

it('a child ends by itself when its worker vanishes while it still starts', async () => {
  const child = startChild();
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('a child waits for a MongoDB that is away, because its end would count as a crash of the job', async () => {
  const child = startChild();
  const ended = once(child, 'exit');
  // Twice: it has tried again.
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.includes('waits for MongoDB')) seen += 1;
    if (seen === 2) break;
  }
  expect(seen).toBe(2);
  child.disconnect();
  expect(await ended).toEqual([0, null]);
});
