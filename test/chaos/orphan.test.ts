import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
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
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  children.push(child);
  return child;
}

it('a child ends by itself when its worker vanishes while it still starts', async () => {
  const child = startChild();
  child.disconnect();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('a child starts without MongoDB: its end would count as a crash of the job', async () => {
  const child = startChild();
  const ended = once(child, 'exit');
  const [message] = await once(child, 'message');
  expect(message).toEqual({ kind: 'ready' });
  child.disconnect();
  expect(await ended).toEqual([0, null]);
});
