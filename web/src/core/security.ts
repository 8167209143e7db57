// How a leg is secured, in one word and in a sentence.

import type { Leg, Secure } from './types';

export interface Security {
  grade: 'srtp' | 'tls' | 'plain' | 'unknown';
  label: string;
  /** For a tooltip and for screen readers. */
  sentence: string;
}

const SECURE_TRANSPORTS = ['tls', 'wss'];

/** The security that a leg has, by what was negotiated and not by what the trunk asks for. */
export function ofLeg(leg: Leg | null | undefined): Security {
  if (!leg?.transport) return { grade: 'unknown', label: '–', sentence: 'Not there yet' };
  const transport = leg.transport.toUpperCase();
  const encryptsSip = SECURE_TRANSPORTS.includes(leg.transport.toLowerCase());
  const encryptsMedia = leg.suite !== null && leg.suite !== undefined;
  const media = encryptsMedia ? `media encrypted (SRTP, ${leg.suite})` : 'media in the clear (RTP)';
  if (encryptsSip && encryptsMedia) return { grade: 'srtp', label: 'SRTP', sentence: `Signalling encrypted (${transport}), ${media}` };
  if (encryptsSip) return { grade: 'tls', label: 'TLS', sentence: `Signalling encrypted (${transport}), ${media}` };
  return { grade: 'plain', label: transport, sentence: `Signalling in the clear (${transport}), ${media}` };
}

/** SEC-1: the three modes of a trunk, in plain words. */
export const MODES: { value: Secure; label: string; summary: string; consequences: string[] }[] = [
  {
    value: 'disabled',
    label: 'Disabled',
    summary: 'Nothing is encrypted.',
    consequences: [
      'Signalling goes over UDP or TCP, port 5060; media is plain RTP.',
      'Anybody on the way can read who calls whom, and listen.',
      'For a PBX in the same rack or behind a VPN.',
    ],
  },
  {
    value: 'tls',
    label: 'TLS',
    summary: 'Signalling is encrypted, media is not.',
    consequences: [
      'Signalling goes over TLS, port 5061; the peer’s certificate is checked. Media stays plain RTP.',
      'Numbers and headers are private; the conversation is not.',
      'Calls to this trunk over UDP or TCP are refused (code 32209).',
    ],
  },
  {
    value: 'srtp',
    label: 'SRTP',
    summary: 'Signalling and media are encrypted.',
    consequences: [
      'Signalling goes over TLS, port 5061; media is SRTP with a key of its own for each call.',
      'Calls without TLS (32209) or without SRTP (32208) are refused: nothing falls back to plain.',
      'Where the other side of a call is plain, Trunkline encrypts and decrypts in between.',
    ],
  },
];

export function ofMode(mode: Secure | undefined): Security {
  if (mode === 'srtp') return { grade: 'srtp', label: 'SRTP', sentence: 'TLS and SRTP required' };
  if (mode === 'tls') return { grade: 'tls', label: 'TLS', sentence: 'TLS required, media in the clear' };
  return { grade: 'plain', label: 'Disabled', sentence: 'Secure Trunking is disabled: nothing is encrypted' };
}
