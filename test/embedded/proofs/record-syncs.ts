import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';

/** What the server did, in order: bytes to the journal, a finished fdatasync, a reply to message `id`. */
export type Step =
  | { step: 'write'; text: string }
  /** `covers`: how many of the writes had been made when it began. */
  | { step: 'sync'; covers: number }
  | { step: 'reply'; id: number };

/** So slow that an answer that does not wait for the disk is early for certain. */
const SLOW_DISK_MS = 15;

/** To be loaded before the server (`node --import`): wraps the file system and sockets, and tells each step on fd 3. */
const { writeSync, fdatasync } = fs;
let writes = 0;

function tell(step: Step): void {
  writeSync(3, `${JSON.stringify(step)}\n`);
}

fs.writeSync = ((fd: number, bytes: Buffer, ...rest: number[]) => {
  const done = (writeSync as (...all: unknown[]) => number)(fd, bytes, ...rest);
  writes += 1;
  tell({ step: 'write', text: bytes.subarray(rest[0] ?? 0, (rest[0] ?? 0) + done).toString('latin1') });
  return done;
}) as typeof fs.writeSync;

fs.fdatasync = ((fd: number, callback: (error: Error | null) => void) => {
  const covers = writes;
  fdatasync(fd, error => {
    setTimeout(() => {
      if (!error) tell({ step: 'sync', covers });
      callback(error);
    }, SLOW_DISK_MS);
  });
}) as typeof fs.fdatasync;

const write = Reflect.get(net.Socket.prototype, 'write') as (...given: unknown[]) => boolean;
net.Socket.prototype.write = function (this: net.Socket, ...all: unknown[]) {
  const [bytes] = all;
  if (Buffer.isBuffer(bytes) && bytes.length > 16) tell({ step: 'reply', id: bytes.readInt32LE(8) });
  return write.apply(this, all);
} as typeof net.Socket.prototype.write;

syncBuiltinESMExports();
