import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/** `host:pid:random`: names this process for as long as it lives, and no other one ever. */
export function newProcessId(): string {
  return `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
}
