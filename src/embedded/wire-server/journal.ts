import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { encode } from './codec.ts';
import type { Doc } from './value.ts';

const HEADER = 8;
/** Recovery reads the file in pieces of this size. */
const PIECE = 8 * 1024 * 1024;

const pause = promisify(setImmediate);

/**
 * One append-only file of frames: length, CRC-32, BSON. Appending never waits; one write() takes everything that came
 * meanwhile, and one fdatasync at a time makes it durable (group commit).
 */
export class Journal {
  readonly #file: string;
  #fd: number;
  /** Positions count all bytes since the start of the process; here the current file begins. */
  #start = 0;
  readonly #holdMs: number;
  readonly #onDurable: (position: number) => void;
  #pending: Buffer[] = [];
  /** Where the last frame ends. */
  position: number;
  #scheduled = false;
  #syncing = false;
  #written: number;
  #durable: number;
  #waiting: (() => void)[] = [];
  /** The file before a compaction, while a sync in the background still needs it. */
  #retired: number | undefined;

  /**
   * Hands every whole frame of the file to `replay` and cuts what follows the last one: a torn tail. `holdMs` keeps
   * frames nobody waits for in memory that long, as a real server's journal does with w:1.
   */
  constructor(file: string, holdMs: number, replay: (payload: Buffer) => void, onDurable: (position: number) => void) {
    this.#file = file;
    this.#holdMs = holdMs;
    this.#onDurable = onDurable;
    this.#fd = openSync(file, 'a+');
    this.#written = readFrames(this.#fd, replay);
    this.#durable = this.#written;
    this.position = this.#written;
    ftruncateSync(this.#fd, this.#written);
    fsyncSync(this.#fd);
    syncFolder(file);
  }

  /** Bytes in the current file. */
  get size(): number {
    return this.position - this.#start;
  }

  /** Returns the position that must be durable for the frame to be. */
  append(payload: Doc): number {
    this.#pending.push(...frameOf(payload));
    this.position += HEADER + (this.#pending.at(-1) as Buffer).length;
    if (!this.#scheduled) this.#schedule(this.#holdMs);
    return this.position;
  }

  #schedule(ms: number): void {
    this.#scheduled = true;
    if (ms > 0) setTimeout(() => this.#flush(), ms);
    else setImmediate(() => this.#flush());
  }

  /** Resolves when write() has taken the frame: safe against kill -9, not against a power cut. */
  async written(position: number): Promise<void> {
    if (this.#holdMs === 0 && position > this.#written) await pause();
  }

  async durable(position: number): Promise<void> {
    if (position > this.#durable && this.#holdMs > 0) this.#schedule(0);
    while (position > this.#durable) await new Promise<void>(resolve => this.#waiting.push(resolve));
  }

  #write(): void {
    writeAll(this.#fd, Buffer.concat(this.#pending));
    this.#written = this.position;
    this.#pending = [];
  }

  #flush(): void {
    this.#scheduled = false;
    this.#write();
    if (!this.#syncing && this.#durable < this.#written) this.#sync();
  }

  #sync(): void {
    const position = this.#written;
    this.#syncing = true;
    fdatasync(this.#fd, error => {
      // After a failed fsync nobody knows what is on the disk: never answer again.
      if (error) {
        process.stderr.write(`journal: ${error.message}\n`);
        process.exit(1);
      }
      this.#syncing = false;
      if (this.#retired !== undefined) closeSync(this.#retired);
      this.#retired = undefined;
      this.#reached(position);
      if (this.#durable < this.#written) this.#sync();
    });
  }

  #reached(position: number): void {
    if (position <= this.#durable) return;
    this.#durable = position;
    this.#onDurable(position);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /**
   * Begins the file anew: `state`, which is everything up to now, a frame at a time; then what was appended meanwhile;
   * then the new file takes the place of the old one. A crash before that leaves the old one in force.
   */
  async compact(state: Iterable<Doc>): Promise<void> {
    const from = this.position;
    const file = path.join(path.dirname(this.#file), 'snapshot.new');
    const fd = openSync(file, 'w+');
    let size = 0;
    for (const frame of state) {
      const bytes = Buffer.concat(frameOf(frame));
      writeAll(fd, bytes);
      size += bytes.length;
      await pause();
    }
    // Most of it now, in the background: the rest must be done in one go.
    await promisify(fdatasync)(fd);
    this.#write();
    const tail = Buffer.allocUnsafe(this.#written - from);
    readSync(this.#fd, tail, 0, tail.length, from - this.#start);
    writeAll(fd, tail);
    fsyncSync(fd);
    renameSync(file, this.#file);
    syncFolder(this.#file);
    if (this.#syncing) this.#retired = this.#fd;
    else closeSync(this.#fd);
    this.#fd = fd;
    this.#start = from - size;
    this.#reached(this.#written);
  }

  async close(): Promise<void> {
    this.#flush();
    await this.durable(this.#written);
    while (this.#syncing) await pause();
    closeSync(this.#fd);
  }
}

/** Makes a file's name durable: without this a power cut can lose a file whose contents are safe. */
function syncFolder(file: string): void {
  const fd = openSync(path.dirname(file), 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function frameOf(payload: Doc): [Buffer, Buffer] {
  const bytes = Buffer.from(encode(payload), 'latin1');
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt32LE(bytes.length, 0);
  header.writeUInt32LE(crc32(bytes), 4);
  return [header, bytes];
}

/** Returns where the last whole frame ends. */
function readFrames(fd: number, replay: (payload: Buffer) => void): number {
  let end = 0;
  let buffer = Buffer.alloc(0);
  const has = (bytes: number): boolean => {
    if (buffer.length >= bytes) return true;
    const piece = Buffer.allocUnsafeSlow(Math.max(PIECE, bytes));
    buffer = piece.subarray(0, readSync(fd, piece, 0, piece.length, end));
    return buffer.length >= bytes;
  };
  while (has(HEADER)) {
    const size = buffer.readUInt32LE(0);
    // Zeros, which a torn write can leave, would pass as a frame of nothing.
    if (size === 0 || size > 2 ** 30 || !has(HEADER + size)) break;
    const payload = buffer.subarray(HEADER, HEADER + size);
    if (crc32(payload) !== buffer.readUInt32LE(4)) break;
    replay(payload);
    end += HEADER + size;
    buffer = buffer.subarray(HEADER + size);
  }
  return end;
}
