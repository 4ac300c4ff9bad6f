import { describe, expect, it } from 'vitest';
import { canonicalJson, fingerprintOf } from '../../../src/pipeline/submit/fingerprint.ts';

describe('canonicalJson', () => {
  it.each<[unknown, string]>([
    [{ b: 1, a: [{ d: null, c: 'x' }] }, '{"a":[{"c":"x","d":null}],"b":1}'],
    [{ '10': 1, '9': 2, a: 3 }, '{"10":1,"9":2,"a":3}'],
    [[undefined, null], '[null,null]'],
    [{ a: undefined, b: new Date(0) }, '{"b":"1970-01-01T00:00:00.000Z"}'],
    ['é"', '"é\\""'],
    [{}, '{}'],
  ])('%j is %s', (value, json) => {
    expect(canonicalJson(value)).toBe(json);
  });
});

describe('fingerprintOf', () => {
  it('differs for bodies that differ in anything but the order of keys', () => {
    const same = [{ a: 1, b: { c: [1, 2] } }, JSON.parse('{"b":{"c":[1,2]},"a":1}')];
    const others = [
      { a: 1, b: { c: [2, 1] } },
      { a: '1', b: { c: [1, 2] } },
      { a: 1, b: { c: [1, 2], d: null } },
    ];
    expect(new Set(same.map(fingerprintOf)).size).toBe(1);
    expect(new Set([same[0], ...others].map(fingerprintOf)).size).toBe(4);
    expect(fingerprintOf(same[0])).toMatch(/^[0-9a-f]{64}$/);
  });
});
