import type { FileHandle } from 'node:fs/promises';
import { messageOf } from '../../platform/errors.ts';
import { TaskError } from '../task-error.ts';
import { abortable } from './abortable.ts';
import { readChunks } from './read-chunks.ts';

/** A picture is decoded from memory: this and the pixel limit bound what one job can take. */
export const MAX_IMAGE_BYTES = 32 * 1024 ** 2;
const MAX_PIXELS = 50_000_000;
const MAX_SECONDS = 60;

export const THUMBNAIL_FORMATS = ['webp', 'jpeg', 'png'] as const;

export interface ThumbnailSize {
  /** The picture is scaled down to fit into width × height pixels, never up. */
  width: number;
  height: number;
  format: (typeof THUMBNAIL_FORMATS)[number];
}

export interface Thumbnail {
  data: Buffer;
  width: number;
  height: number;
}

/**
 * Decodes the picture in the file and scales it down; metadata is dropped, the orientation applied.
 * @throws TaskError (no retry) when it is no JPEG, PNG, GIF, WebP, TIFF or AVIF, is damaged or has too many pixels.
 */
export async function makeThumbnail(handle: FileHandle, size: ThumbnailSize, signal: AbortSignal): Promise<Thumbnail> {
  const input = await readWhole(handle, signal);
  if (!isPicture(input)) throw new TaskError('the file is no picture of a known format', { retry: false });
  // Loaded on first use: whoever only submits jobs does without the native library.
  const { default: sharp } = await import('sharp');
  const image = sharp(input, { limitInputPixels: MAX_PIXELS, failOn: 'error', pages: 1 })
    .timeout({ seconds: MAX_SECONDS })
    .autoOrient()
    .resize({ width: size.width, height: size.height, fit: 'inside', withoutEnlargement: true })
    .toFormat(size.format);
  try {
    const { data, info } = await abortable(image.toBuffer({ resolveWithObject: true }), signal);
    return { data, width: info.width, height: info.height };
  } catch (error) {
    signal.throwIfAborted();
    throw new TaskError(`the picture cannot be read: ${messageOf(error)}`, { retry: false, cause: error });
  }
}

async function readWhole(handle: FileHandle, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readChunks(handle, MAX_IMAGE_BYTES, signal)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Only formats of pixels, told by their first bytes: SVG, PDF and the like could name other files and addresses. */
function isPicture(input: Buffer): boolean {
  const start = input.toString('latin1', 0, 16);
  return (
    start.startsWith('\xff\xd8\xff') ||
    start.startsWith('\x89PNG\r\n\x1a\n') ||
    /^GIF8[79]a/.test(start) ||
    (start.startsWith('RIFF') && start.startsWith('WEBP', 8)) ||
    start.startsWith('II*\0') ||
    start.startsWith('MM\0*') ||
    /^ftypavi[fs]/.test(start.slice(4))
  );
}
