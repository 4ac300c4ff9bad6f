import { createHash, timingSafeEqual } from 'node:crypto';
import { type ApiKey, type Config, SCOPES, type Scope } from '../config/config.ts';

/** Who asks. */
export interface Identity {
  /** Name of the key, for logs and audits; `anonymous` where there are no keys. */
  name: string;
  tenant: string;
  scopes: readonly Scope[];
}

const ANONYMOUS: Identity = { name: 'anonymous', tenant: 'default', scopes: SCOPES };

/** Finds the key that a request carries. Without any keys (development) everybody is `anonymous` and may do everything. */
export class Authenticator {
  readonly #keys: readonly { key: ApiKey; hash: Buffer }[];
  readonly #board: Config['access']['board'];

  constructor(access: Config['access']) {
    this.#keys = access.keys.map(key => ({ key, hash: Buffer.from(key.sha256, 'hex') }));
    this.#board = access.board;
  }

  /** Whether requests need no key at all. */
  get isOpen(): boolean {
    return this.#keys.length === 0;
  }

  /** `Authorization: Bearer KEY`. null when no such key exists. */
  bearer(header: string | undefined): Identity | null {
    if (this.isOpen) return ANONYMOUS;
    const secret = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    return secret === undefined ? null : this.#find(secret, () => true);
  }

  /** For pages in a browser: HTTP Basic with a key's name and the key, or Bearer. */
  page(header: string | undefined): Identity | null {
    if (this.isOpen) return ANONYMOUS;
    const basic = readBasic(header);
    return basic ? this.#find(basic.password, key => key.name === basic.user) : this.bearer(header);
  }

  /** As `page`, and the board's own user, who counts as an administrator. That user, once set, is asked for even without keys. */
  board(header: string | undefined): Identity | null {
    const basic = readBasic(header);
    if (this.#board && basic && same(basic.user, this.#board.user) && same(basic.password, this.#board.password)) {
      return { ...ANONYMOUS, name: 'board' };
    }
    return this.isOpen && this.#board ? null : this.page(header);
  }

  /** Compares with every key, so that the time says nothing about which one came close. */
  #find(secret: string, matches: (key: ApiKey) => boolean): Identity | null {
    const given = sha256(secret);
    let found: ApiKey | null = null;
    for (const { key, hash } of this.#keys) {
      if (timingSafeEqual(given, hash) && matches(key)) found = key;
    }
    return found && { name: found.name, tenant: found.tenant, scopes: found.scopes };
  }
}

export function mayUse(identity: Identity, scope: Scope): boolean {
  return identity.scopes.includes(scope) || identity.scopes.includes('admin');
}

function readBasic(header: string | undefined): { user: string; password: string } | null {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? null : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function same(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}
