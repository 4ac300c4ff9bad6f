import type { FastifyInstance } from 'fastify';

/** The paths that an application serves, to tell an unknown path (404) from a known one with another method (405). */
export class KnownPaths {
  readonly #methods = new Map<string, { pattern: RegExp; methods: Set<string> }>();

  /** To be called before any route is registered. */
  watch(app: FastifyInstance): void {
    app.addHook('onRoute', route => {
      const known = this.#methods.get(route.url) ?? { pattern: patternOf(route.url), methods: new Set() };
      for (const method of [route.method].flat()) known.methods.add(method);
      this.#methods.set(route.url, known);
    });
  }

  /** Methods that the path of this URL knows, in order; empty for an unknown path. */
  methodsOf(url: string): string[] {
    const path = url.split('?', 1)[0]!;
    const methods = new Set<string>();
    for (const known of this.#methods.values()) {
      if (known.pattern.test(path)) for (const method of known.methods) methods.add(method);
    }
    return [...methods].sort();
  }
}

function patternOf(url: string): RegExp {
  const parts = url.split(/(:\w+|\*)/).map(part => {
    if (part === '*') return '.*';
    return part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}
