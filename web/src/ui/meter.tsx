// A quantity as a bar, with its number beside it.

import { count } from '../core/format';

interface MeterProps {
  label: string;
  value: number;
  /** The end of the bar; null: there is no limit, and no bar. */
  most: number | null;
  text?: string;
  /** A full bar is nothing to worry about. */
  isPlain?: boolean;
}

export function Meter({ label, value, most, text, isPlain }: MeterProps) {
  const share = most ? Math.min(1, value / most) : 0;
  const tone = isPlain ? '' : share > 0.95 ? 'bad' : share > 0.8 ? 'warning' : '';
  return (
    <div class="meter">
      <span class="meter-label clip" title={label}>{label}</span>
      <span class="meter-value figure">{text ?? (isPlain || !most ? count(value) : `${count(value)} of ${count(most)}`)}</span>
      {most !== null && (
        <svg class={`meter-bar ${tone}`} viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" width="100" height="4" />
          <rect class="fill" width={share * 100} height="4" />
        </svg>
      )}
    </div>
  );
}
