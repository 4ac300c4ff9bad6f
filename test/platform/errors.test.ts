import { describe, expect, it } from 'vitest';
import { ConfigError, messageOf } from '../../src/platform/errors.ts';

describe('messageOf', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const hostile = {
    toJSON() {
      throw new Error('no');
    },
  };
  it.each([
    [new Error('broken'), 'broken'],
    [new TypeError(''), 'TypeError'],
    [Object.assign(new Error('x'), { message: { odd: true } }), '[object Object]'],
    ['text', 'text'],
    [undefined, 'undefined was thrown'],
    [null, 'null'],
    [{ a: 1 }, '{"a":1}'],
    [cyclic, '[object Object]'],
    [hostile, '[object Object]'],
    [10n, '[object BigInt]'],
    [() => 1, '[object Function]'],
    [Symbol('s'), '[object Symbol]'],
  ])('turns %s into text', (thrown, text) => {
    expect(messageOf(thrown)).toBe(text);
  });
});

describe('ConfigError', () => {
  it('lists every problem', () => {
    const error = new ConfigError(['one', 'two']);
    expect(error.message).toBe('Configuration refused:\n  - one\n  - two');
    expect(error).toMatchObject({ code: 'invalid-configuration', problems: ['one', 'two'] });
  });
});
