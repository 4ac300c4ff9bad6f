import type { IncomingHttpHeaders } from 'node:http';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * Whether a browser sends this on behalf of a page of another site: such a page could use credentials that the browser keeps
 * (HTTP Basic), or a server that needs none. `open` = requests need no key; then the host must be a loopback name as well,
 * because a page may point a name of its own at 127.0.0.1.
 */
export function isCrossSite(method: string, headers: IncomingHttpHeaders, open: boolean): boolean {
  if (open && !LOOPBACK.test(headers.host ?? '')) return true;
  if (SAFE_METHODS.has(method)) return false;
  if (headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site') return true;
  return headers.origin !== undefined && hostOf(headers.origin) !== headers.host;
}

function hostOf(origin: string): string | null {
  try {
    return new URL(origin).host;
  } catch {
    return null;
  }
}
