import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LedgerError } from '../../platform/errors.ts';
import type { Service } from '../../platform/service.ts';
import type { GuardMessage } from './guard.ts';
import { identify } from './process-identity.ts';

/** Sees to it that children do not outlive this process, however it ends. One small process for all of them. */
export class ProcessGuard implements Service {
  #guard: ChildProcess | null = null;

  async start(): Promise<void> {
    if (this.#guard) return;
    // Detached: Ctrl-C goes to the whole group of a terminal, and the guard must see the end of its parent.
    const guard = fork(fileURLToPath(new URL('./guard.js', import.meta.url)), [], {
      detached: true,
      stdio: 'ignore',
      execArgv: [],
    });
    this.#guard = guard;
    // Before it has said so, it could miss the end of its parent.
    const [word] = (await Promise.race([once(guard, 'message'), once(guard, 'exit')])) as [unknown];
    if (word !== 'ready') throw new LedgerError('server-failed', 'the guard of the servers did not start');
    guard.on('error', () => undefined);
    guard.unref();
    guard.channel?.unref();
  }

  /** To be called in the same turn as the spawn: what is in the channel arrives even if this process dies now. */
  watch(pid: number, graceMs: number): void {
    const target = identify(pid);
    if (target) this.#send({ watch: target, graceMs });
  }

  forget(pid: number): void {
    this.#send({ forget: pid });
  }

  /** Ends the guard, and with it whatever is still watched. */
  async stop(): Promise<void> {
    const guard = this.#guard;
    this.#guard = null;
    if (!guard || guard.exitCode !== null) return;
    guard.ref();
    const ended = once(guard, 'exit');
    if (guard.connected) guard.disconnect();
    await ended;
  }

  #send(message: GuardMessage): void {
    if (this.#guard?.connected) this.#guard.send(message, () => undefined);
  }
}
