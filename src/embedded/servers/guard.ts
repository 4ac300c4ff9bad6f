import { endProcess, type ProcessIdentity } from './process-identity.ts';

/**
 * A process of its own that outlives a crash of its parent, kill -9 included: the channel to the parent closes with the
 * parent, and what the parent had named is ended then. redis-server and mongod have no such thing themselves.
 */
export type GuardMessage = { watch: ProcessIdentity; graceMs: number } | { forget: number };

const watched = new Map<number, { target: ProcessIdentity; graceMs: number }>();

process.on('message', (message: GuardMessage) => {
  if ('watch' in message) watched.set(message.watch.pid, { target: message.watch, graceMs: message.graceMs });
  else watched.delete(message.forget);
});

// A signal to the whole group (Ctrl-C) is the parent's to answer; the guard ends after it.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => undefined);

function endAll(): void {
  const ends = [...watched.values()].map(({ target, graceMs }) => endProcess(target, graceMs));
  void Promise.all(ends).then(() => process.exit(0));
}

process.on('disconnect', endAll);
// The parent may be gone before this line is reached; what it had said until then is delivered first.
if (process.connected) process.send?.('ready');
else setImmediate(endAll);
