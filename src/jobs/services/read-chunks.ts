import type { FileHandle } from 'node:fs/promises';
import { TaskError } from '../task-error.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * The file from its start, chunk by chunk, as fast as they are taken. Plain reads, no stream: an aborted read stream raises
 * its error again after its reader has left, where nobody can catch it.
 * @throws the signal's reason · TaskError (no retry) when the file grows beyond `maxBytes` meanwhile.
 */
export async function* readChunks(handle: FileHandle, maxBytes: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  let position = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    if (position > maxBytes) throw new TaskError(`the file grew beyond ${maxBytes} bytes`, { retry: false });
    yield buffer.subarray(0, bytesRead);
  }
}
