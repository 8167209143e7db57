// How something is secured, at a glance: never by colour alone.

import type { Security } from '../core/security';
import { Badge, type Tone } from './basic';
import { Icon } from './icons';

const TONES: Record<Security['grade'], Tone> = { srtp: 'good', tls: 'info', plain: 'warning', unknown: 'neutral' };

export function SecurityBadge({ security }: { security: Security }) {
  const { grade, label, sentence } = security;
  return (
    <Badge tone={TONES[grade]} title={sentence}>
      {grade !== 'unknown' && <Icon name={grade === 'plain' ? 'unlock' : 'lock'} />}
      {label}
      <span class="sr"> {sentence}</span>
    </Badge>
  );
}

const PATHS: Record<string, { label: string; tone: Tone; sentence: string }> = {
  xdp: { label: 'XDP', tone: 'strong', sentence: 'Forwarded in the kernel' },
  af_xdp: { label: 'AF_XDP', tone: 'neutral', sentence: 'Relayed by a worker over AF_XDP: re-encrypted or latching' },
  socket: { label: 'Socket', tone: 'neutral', sentence: 'Relayed over UDP sockets' },
};

/** The ways that a call's packets go. */
export function PathBadges({ paths }: { paths: string[] }) {
  if (paths.length === 0) return <span class="none">–</span>;
  return (
    <span class="badges">
      {paths.map((path) => {
        const known = PATHS[path] ?? { label: path, tone: 'neutral' as Tone, sentence: path };
        return (
          <Badge key={path} tone={known.tone} title={known.sentence}>
            {known.label}
          </Badge>
        );
      })}
    </span>
  );
}
