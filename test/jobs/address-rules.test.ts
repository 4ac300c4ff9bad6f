import { describe, expect, test } from 'vitest';
import { isPublicAddress } from '../../src/jobs/services/address-rules.ts';
import { isAllowedHost, isPrivateLiteral } from '../../src/jobs/services/outgoing-url.ts';

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '93.184.215.14',
  '100.128.0.1',
  '172.32.0.1',
  '2606:4700:4700::1111',
  '::ffff:8.8.8.8',
  '64:ff9b::808:808',
])('%s is public', address => expect(isPublicAddress(address)).toBe(true));

test.each([
  '0.0.0.0',
  '10.0.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '169.254.170.2',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.168.1.1',
  '198.18.0.1',
  '203.0.113.5',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:a9fe:a9fe',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::10.0.0.1',
  '64:ff9b:1::1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '3fff::1',
  '100::1',
  '',
  'localhost',
  '127.1',
  '0x7f.1',
  'garbage',
])('%s is not', address => expect(isPublicAddress(address)).toBe(false));

describe('addresses in URLs', () => {
  test.each([
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f000001/',
    'http://0177.0.0.1/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[fd00:ec2::254]/latest/',
    'http://100.100.100.200/',
    'http://１２７.0.0.1/',
  ])('%s is private', url => expect(isPrivateLiteral(new URL(url))).toBe(true));

  test.each(['http://1.1.1.1/', 'http://[2606:4700:4700::1111]/', 'http://example.com/', 'http://localhost/'])(
    '%s is not a private literal',
    url => expect(isPrivateLiteral(new URL(url))).toBe(false),
  );
});

test.each<[string, string[], boolean]>([
  ['http://localhost:8080/', ['localhost'], true],
  ['http://localhost:8080/', ['LOCALHOST:8080'], true],
  ['http://localhost:8080/', ['localhost:8081'], false],
  ['http://localhost/', ['localhost:80'], true],
  ['https://localhost/', ['localhost:443'], true],
  ['https://localhost/', ['localhost:80'], false],
  ['http://[::1]:9/', ['::1'], true],
  ['http://[::1]:9/', ['[::1]:9'], true],
  ['http://sub.localhost/', ['localhost'], false],
  ['http://example.com/', [], false],
])('%s with the allow-list %j: %s', (url, allowHosts, allowed) => {
  expect(isAllowedHost(new URL(url), allowHosts)).toBe(allowed);
});
