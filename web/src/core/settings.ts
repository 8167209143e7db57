// The settings of a trunk as the console asks for them: names are those of `[[trunks]]`.

import type { Settings } from './types';

export interface Choice {
  value: string;
  label: string;
}

export interface Field {
  /** As in the file; `dial_plan.country` is in a table. */
  name: string;
  label: string;
  kind: 'text' | 'number' | 'switch' | 'choice' | 'list' | 'checks' | 'secret';
  help?: string;
  /** What holds while nothing is set. */
  unset?: string;
  placeholder?: string;
  unit?: string;
  choices?: Choice[];
  /** Whether it means anything beside the other settings. */
  when?: (settings: Settings) => boolean;
}

export interface Group {
  title: string;
  about?: string;
  fields: Field[];
  when?: (settings: Settings) => boolean;
}

const isSecure = (settings: Settings) => settings['secure'] === 'tls' || settings['secure'] === 'srtp';
const isSrtp = (settings: Settings) => settings['secure'] === 'srtp';
const isTls = (settings: Settings) => settings['secure'] === 'tls';

const choices = (...words: [value: string, label: string][]): Choice[] => words.map(([value, label]) => ({ value, label }));

export const SUITES = choices(
  ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_80'],
  ['AES_CM_128_HMAC_SHA1_32', 'AES_CM_128_HMAC_SHA1_32'],
  ['AES_256_CM_HMAC_SHA1_80', 'AES_256_CM_HMAC_SHA1_80'],
  ['AES_256_CM_HMAC_SHA1_32', 'AES_256_CM_HMAC_SHA1_32'],
  ['AEAD_AES_128_GCM', 'AEAD_AES_128_GCM'],
  ['AEAD_AES_256_GCM', 'AEAD_AES_256_GCM'],
);

export const GENERAL: Group[] = [
  {
    title: 'Encryption details',
    when: isSecure,
    fields: [
      { name: 'suites', label: 'SRTP suites', kind: 'checks', choices: SUITES, when: (s) => isSrtp(s) || s['opportunistic'] === true, unset: 'AES_CM_128_HMAC_SHA1_80 offered, _80 and _32 accepted', help: 'The first one that is ticked is offered first.' },
      { name: 'opportunistic', label: 'Opportunistic SRTP', kind: 'switch', when: isTls, help: 'Offers keys beside plain RTP (RFC 8643): encrypted where the peer can.' },
      { name: 'srtp_passthrough', label: 'SRTP passed through', kind: 'choice', when: isSrtp, choices: choices(['never', 'Never'], ['prefer', 'Where both trunks allow it']), unset: 'never', help: 'Same keys on both sides: packets are never decrypted here.' },
      { name: 'mki', label: 'Send a master key identifier (MKI)', kind: 'switch', when: isSrtp },
      { name: 'sips', label: 'sips: URIs', kind: 'choice', choices: choices(['tls', 'Become sip: over TLS'], ['pass', 'Stay sips:']), unset: 'tls' },
    ],
  },
  {
    title: 'The peer’s certificate',
    when: isSecure,
    fields: [
      { name: 'verify', label: 'Verification', kind: 'choice', choices: choices(['strict', 'Strict (RFC 5922, exact name)'], ['wildcard', 'Wildcard of one label'], ['pin', 'Pinned keys'], ['off', 'Off: anybody could answer']), unset: 'wildcard' },
      { name: 'server_name', label: 'Name expected', kind: 'text', placeholder: 'sip.carrier.example', unset: 'the host of the first target' },
      { name: 'ca', label: 'CA bundle', kind: 'text', placeholder: '/etc/trunkline/carrier-ca.pem', unset: 'the system’s or [tls] ca', help: 'A PEM file on the server.' },
      { name: 'pins', label: 'Pins', kind: 'list', when: (s) => s['verify'] === 'pin', placeholder: 'sha256/…', help: 'SHA-256 of the public key (SPKI), base64.' },
      { name: 'client_certificate', label: 'Our certificate', kind: 'text', placeholder: '/etc/trunkline/client.pem', help: 'Shown where the peer asks for one (mutual TLS).' },
      { name: 'client_key', label: 'Its key', kind: 'text', placeholder: '/etc/trunkline/client.key' },
    ],
  },
  {
    title: 'Limits',
    about: 'What is over a limit is refused with 503 and code 32001.',
    fields: [
      { name: 'max_calls_per_second', label: 'Calls per second', kind: 'number', unset: '30', help: '0: no limit.' },
      { name: 'max_concurrent_calls', label: 'Calls at once', kind: 'number', unset: 'no limit' },
      { name: 'max_call_seconds', label: 'Length of a call', kind: 'number', unit: 's', unset: '86400 (a day)' },
    ],
  },
  {
    title: 'Media',
    fields: [
      { name: 'codecs', label: 'Codecs', kind: 'list', placeholder: 'PCMU', unset: 'PCMU, PCMA, TELEPHONE-EVENT', help: 'What else is offered is taken out. Order as the caller has it.' },
      { name: 'source', label: 'Source of packets', kind: 'choice', choices: choices(['strict', 'Only the address in SDP'], ['latch', 'Latch to the first packet that passes']), unset: 'strict', help: 'Latch is for peers behind NAT.' },
      { name: 'media_acl', label: 'Media from', kind: 'list', placeholder: '198.51.100.0/24', unset: 'anywhere' },
      { name: 'video', label: 'Relay video', kind: 'switch' },
      { name: 't38', label: 'Relay T.38 fax', kind: 'switch', when: (s) => !isSrtp(s), help: 'Always in the clear.' },
      { name: 'dscp', label: 'DSCP', kind: 'number', unset: 'as it came', help: '0 to 63; 46 is expedited forwarding.' },
      { name: 'max_packet_rate', label: 'Most packets per second of a flow', kind: 'number', unset: 'no ceiling' },
    ],
  },
  {
    title: 'Network',
    fields: [
      { name: 'listener', label: 'Listener', kind: 'text', unset: 'the first that fits' },
      { name: 'realm', label: 'Realm', kind: 'text', unset: 'that of the listener' },
      { name: 'nat', label: 'The peer is behind NAT', kind: 'switch', help: 'Requests go back to where its own came from.' },
    ],
  },
  {
    title: 'Headers',
    fields: [
      { name: 'headers', label: 'Headers that pass', kind: 'list', placeholder: 'Diversion', unset: 'Diversion, History-Info, Privacy, Reason, Alert-Info; X-* and User-to-User always' },
      { name: 'trusted', label: 'Trusted: P-Asserted-Identity passes', kind: 'switch' },
    ],
  },
  {
    title: 'Sessions and transfer',
    fields: [
      { name: 'session_timer', label: 'Session timers (RFC 4028)', kind: 'choice', choices: choices(['on', 'On'], ['strip', 'Stripped']), unset: 'on' },
      { name: 'session_expires', label: 'Session interval', kind: 'text', placeholder: '30m', when: (s) => s['session_timer'] !== 'strip', unset: '30m' },
      { name: 'min_se', label: 'Shortest interval taken', kind: 'text', placeholder: '90s', when: (s) => s['session_timer'] !== 'strip', unset: '90s' },
      { name: 'refer', label: 'Transfer (REFER)', kind: 'choice', choices: choices(['off', 'Refused'], ['pass', 'Passed to the far side'], ['local', 'Made here']), unset: 'off' },
    ],
  },
  {
    title: 'Dial plan',
    about: 'How the peer writes numbers, where it does not write +49….',
    fields: [
      { name: 'dial_plan.country', label: 'Country code', kind: 'text', placeholder: '49', unset: 'none: numbers stay as they are' },
      { name: 'dial_plan.national_prefix', label: 'National prefix', kind: 'text', placeholder: '0' },
      { name: 'dial_plan.international_prefix', label: 'International prefix', kind: 'text', placeholder: '00' },
    ],
  },
];

export const TERMINATION: Group[] = [
  {
    title: 'Domains',
    about: 'A call belongs to the trunk whose domain stands in its Request-URI.',
    fields: [{ name: 'domains', label: 'Domains', kind: 'list', placeholder: 'acme.sip.eu.example.com', unset: 'none: found by source address' }],
  },
  {
    title: 'Addresses that may call',
    about: 'Networks, or addresses with a port. Where there are credentials too, both must be right.',
    fields: [{ name: 'acl', label: 'IP access list', kind: 'list', placeholder: '198.51.100.0/24', unset: 'none' }],
  },
  {
    title: 'Client certificates',
    when: isSecure,
    fields: [
      { name: 'client_names', label: 'Names that its certificate may have', kind: 'list', placeholder: 'sbc.carrier.example', unset: 'no certificate is asked for' },
      { name: 'server_name_mismatch', label: 'Connected to another trunk’s name', kind: 'choice', choices: choices(['log', 'Logged'], ['refuse', 'Refused (32224)']), unset: 'log' },
    ],
  },
];

export const AUTHENTICATION: Group = {
  title: 'Digest settings',
  fields: [
    { name: 'auth_realm', label: 'Digest realm', kind: 'text', unset: 'the first domain' },
    { name: 'auth_algorithms', label: 'Digest algorithms', kind: 'checks', choices: choices(['SHA-256', 'SHA-256'], ['MD5', 'MD5']), unset: 'both' },
  ],
};

export const FAILOVER: Group = {
  title: 'Failover and probes',
  fields: [
    { name: 'no_response', label: 'Next target after no answer for', kind: 'text', placeholder: '4s', unset: '4s' },
    { name: 'backoff', label: 'A target that failed comes last for', kind: 'text', placeholder: '30s', unset: '30s' },
    { name: 'probe', label: 'Probe with OPTIONS every', kind: 'text', placeholder: '30s', unset: '30s', help: '10s to 1h, or off.' },
    { name: 'probe_failures', label: 'Out of service after failed probes', kind: 'number', unset: '3' },
    { name: 'fallback', label: 'When all have failed', kind: 'text', placeholder: 'sip:disaster.carrier.example', unset: '503 with the last cause' },
    { name: 'early_dialogs', label: 'Several telephones ringing', kind: 'choice', choices: choices(['collapse', 'The caller sees one'], ['pass', 'The caller sees each']), unset: 'collapse' },
  ],
};

export const REGISTRATION: Group[] = [
  {
    title: 'Registration',
    about: 'For providers that want to know where you are. The registrar is the first origination target.',
    fields: [
      { name: 'register.aor', label: 'Address of record', kind: 'text', placeholder: 'sip:+43123@provider.example', unset: 'we do not register' },
      { name: 'register.expires', label: 'For', kind: 'text', placeholder: '1h', unset: '1h', help: '60s to 24h; the provider may want less.' },
    ],
  },
  {
    title: 'Who we are to the provider',
    about: 'Used for registering and where the provider challenges our calls (401, 407).',
    fields: [
      { name: 'auth.user', label: 'User', kind: 'text', placeholder: '+43123' },
      { name: 'auth.password', label: 'Password', kind: 'secret' },
    ],
  },
];

/** What an empty field says: `Default: 4s`, `No limit`. */
export function whenUnset(unset: string): string {
  return /^(none|no|we do not)\b/.test(unset) ? unset.charAt(0).toUpperCase() + unset.slice(1) : `Default: ${unset}`;
}

/** Every field of these groups, by its name. */
export function names(groups: Group[]): string[] {
  return groups.flatMap((group) => group.fields.map((field) => field.name));
}

/** A group's fields that mean something now. */
export function shown(group: Group, settings: Settings): Field[] {
  if (group.when && !group.when(settings)) return [];
  return group.fields.filter((field) => !field.when || field.when(settings));
}
