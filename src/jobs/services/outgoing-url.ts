import { isIP } from 'node:net';
import { z } from 'zod';
import { RefusedError } from '../../platform/errors.ts';
import { isPublicAddress } from './address-rules.ts';

/** The problem type of a URL that must not be called. */
const FORBIDDEN_URL = 'forbidden-webhook-url';

/** A URL in a payload. Its scheme and target are no matter of shape: see `refuseUrl`. */
export const outgoingUrlSchema = z
  .string()
  .max(2_048)
  .refine(text => URL.canParse(text), 'must be an absolute URL');

/**
 * Refuses at submit what can be told from the text alone: other schemes than http(s), and credentials in the URL. Where the
 * host leads to is checked at connect time, on the addresses that are really dialled.
 * @throws RefusedError; text that is no URL at all is left to the schema.
 */
export function refuseUrl(url: unknown, pointer: string): void {
  if (typeof url !== 'string' || !URL.canParse(url)) return;
  const { protocol, username, password } = new URL(url);
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new RefusedError(FORBIDDEN_URL, 'only http and https URLs may be called', pointer);
  }
  if (username !== '' || password !== '') {
    throw new RefusedError(FORBIDDEN_URL, 'a URL must not carry a user name or a password', pointer);
  }
}

/** Whether `allowHosts` (`host` or `host:port`, IPv6 with or without brackets) names the target of the URL. */
export function isAllowedHost(url: URL, allowHosts: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const names = [url.hostname, hostOf(url)];
  return allowHosts.some(entry => {
    const wanted = entry.toLowerCase();
    return names.some(name => wanted === name) || wanted === `${url.hostname}:${port}`;
  });
}

/** Whether the URL's host is an address, not a name, and a private one. Tricks like `127.1` are undone by the URL parser. */
export function isPrivateLiteral(url: URL): boolean {
  const host = hostOf(url);
  return isIP(host) !== 0 && !isPublicAddress(host);
}

/** The host without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}
