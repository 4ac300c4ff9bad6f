import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Ranges of IPv4 that are not on the public internet (IANA special-purpose registry, multicast, reserved). */
const SPECIAL_V4: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.31.196.0', 24],
  ['192.52.193.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['192.175.48.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Parts of 2000::/3 that are not public: protocol assignments with Teredo, documentation, 6to4. */
const SPECIAL_V6: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['2620:4f:8000::', 48],
  ['3fff::', 20],
];

const specialV4 = new BlockList();
for (const [net, prefix] of SPECIAL_V4) specialV4.addSubnet(net, prefix, 'ipv4');

const globalV6 = new BlockList();
globalV6.addSubnet('2000::', 3, 'ipv6');

const specialV6 = new BlockList();
for (const [net, prefix] of SPECIAL_V6) specialV6.addSubnet(net, prefix, 'ipv6');

/** IPv4-mapped and NAT64 addresses in their canonical text: the last 32 bits are the IPv4 address that is really reached. */
const EMBEDDED_V4 = /^(?:::ffff|64:ff9b:):([0-9a-f]{1,4}):([0-9a-f]{1,4})$/;

/**
 * Whether an address (no name) is one of the public internet. Anything that is not understood counts as private, and so
 * does every IPv6 address outside 2000::/3: what is not known to be public is refused.
 */
export function isPublicAddress(address: string): boolean {
  const bare = address.split('%')[0]!;
  if (isIPv4(bare)) return !specialV4.check(bare, 'ipv4');
  if (!isIPv6(bare)) return false;
  const embedded = EMBEDDED_V4.exec(canonicalV6(bare));
  if (embedded) return !specialV4.check(dotted(embedded[1]!, embedded[2]!), 'ipv4');
  return globalV6.check(bare, 'ipv6') && !specialV6.check(bare, 'ipv6');
}

function canonicalV6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

function dotted(high: string, low: string): string {
  const bits = (Number.parseInt(high, 16) << 16) | Number.parseInt(low, 16);
  return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.');
}
