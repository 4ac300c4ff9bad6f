import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import { DEMO_PICTURES, DEMO_TEXTS } from './demo-jobs.ts';

const WIDTH = 1_200;
const HEIGHT = 800;

/** Writes what the jobs of type `file:process` work on: texts, and pictures of 1,200 × 800 pixels. */
export async function writeDemoFiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let n = 0; n < DEMO_TEXTS; n += 1) {
    const line = `Line of text ${n}: the ledger says what is true, the engine only what is next.\n`;
    await writeFile(join(folder, `text${n}.txt`), line.repeat(2_000));
  }
  for (let n = 0; n < DEMO_PICTURES; n += 1) await writeFile(join(folder, `picture${n}.png`), picture(n));
}

/** A colour gradient as PNG. */
function picture(n: number): Buffer {
  const rowBytes = 1 + 3 * WIDTH;
  const rows = Buffer.alloc(rowBytes * HEIGHT);
  for (let y = 0; y < HEIGHT; y += 1) {
    // The first byte of a row names its filter: 0, none.
    for (let x = 0; x < WIDTH; x += 1) {
      const at = y * rowBytes + 1 + 3 * x;
      rows[at] = (255 * x) / WIDTH;
      rows[at + 1] = (255 * y) / HEIGHT;
      rows[at + 2] = (25 * n) % 256;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  // 8 bits a channel, RGB.
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from('89504e470d0a1a0a', 'hex');
  const data = deflateSync(rows, { level: 1 });
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
