import { messageOf } from '../../platform/errors.ts';

/** What a handler threw, in bounded plain text. */
export interface HandlerError {
  name: string;
  message: string;
  stack?: string;
  retryable: boolean;
}

const NAME_BYTES = 100;
const MESSAGE_BYTES = 900;
const STACK_BYTES = 900;

/** Takes anything that can be thrown: strings, `undefined`, cyclic objects, errors with hostile getters. At most 2 KB. */
export function toHandlerError(thrown: unknown): HandlerError {
  try {
    const error: HandlerError = {
      name: cut(thrown instanceof Error ? String(thrown.name || 'Error') : 'NonError', NAME_BYTES),
      message: cut(messageOf(thrown), MESSAGE_BYTES),
      retryable: !isFinal(thrown),
    };
    if (thrown instanceof Error && typeof thrown.stack === 'string') error.stack = cut(thrown.stack, STACK_BYTES);
    return error;
  } catch {
    return { name: 'NonError', message: 'a value was thrown that cannot be read', retryable: true };
  }
}

/** By shape, not class: a handler may have been built against another copy of TaskError, and subclasses have other names. */
function isFinal(thrown: unknown): boolean {
  return thrown instanceof Error && 'retry' in thrown && thrown.retry === false;
}

/** The longest beginning of a text that fits into so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  if (text.length * 3 <= bytes) return text;
  const buffer = Buffer.from(text.slice(0, bytes));
  if (buffer.length <= bytes && text.length <= bytes) return text;
  return `${buffer
    .subarray(0, bytes - 3)
    .toString()
    .replace(/\uFFFD+$/, '')}…`;
}
