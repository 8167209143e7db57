// Numbers and times as people read them. What stands in a column has the same width whatever it says.

const DASH = '–';

/** Seconds as `0:07`, `12:30`, `1:02:03`, `3 d 04:05`. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0) return DASH;
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  const [days, hours, minutes, rest] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  if (days > 0) return `${days} d ${two(hours)}:${two(minutes)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Moments of a call, in seconds and ascending, as the labels of an axis: as exact as it takes to tell them apart. */
export function moments(seconds: number[]): string[] {
  const steps = seconds.slice(1).map((at, place) => at - (seconds[place] ?? at));
  const step = Math.min(...steps);
  // With the seconds, where days have none; then as many digits as the step has.
  const digits = step < 1 ? Math.min(3, Math.ceil(-Math.log10(step))) : 0;
  const isFine = step < 60;
  return seconds.map((at) => {
    const rounded = Number(at.toFixed(digits));
    const text = duration(rounded);
    if (text === DASH) return '';
    const rest = rounded % 60;
    const withSeconds = isFine && rounded >= 86_400 ? `${text}:${String(Math.floor(rest)).padStart(2, '0')}` : text;
    return digits > 0 ? `${withSeconds}${(rounded % 1).toFixed(digits).slice(1)}` : withSeconds;
  });
}

/** Milliseconds after the beginning: `+0.012 s`. */
export function offset(ms: number): string {
  return `+${(ms / 1000).toFixed(3)} s`;
}

export function fixed(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined || !Number.isFinite(value) ? DASH : value.toFixed(digits);
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : value.toLocaleString('en-GB').replaceAll(',', '\u202f');
}

/** `1.2 MB`; powers of 1000. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return DASH;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [size, unit] = [value, 0];
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** `2026-03-01 12:00:07`, in the browser's time zone. */
export function time(text: string | number | null | undefined): string {
  const date = dated(text);
  if (!date) return DASH;
  const two = (value: number) => String(value).padStart(2, '0');
  return `${day(date)} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** The day alone. */
export function date(text: string | number | null | undefined): string {
  const at = dated(text);
  return at ? day(at) : DASH;
}

/** The time of the day, with milliseconds: for lists of what happened just now. */
export function clock(text: string | number | null | undefined): string {
  const at = dated(text);
  if (!at) return DASH;
  const pad = (value: number, width: number) => String(value).padStart(width, '0');
  return `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}:${pad(at.getSeconds(), 2)}.${pad(at.getMilliseconds(), 3)}`;
}

function dated(text: string | number | null | undefined): Date | undefined {
  if (text === null || text === undefined || text === '') return undefined;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

function day(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** `3 min ago`. */
export function ago(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  if (seconds < 5) return 'just now';
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} days ago`;
}

/** Share of packets that did not come, percent. */
export function lossPercent(lost: number, packets: number): number | null {
  const expected = lost + packets;
  return expected > 0 ? (100 * lost) / expected : null;
}

/** `sip:+43123@edge.example;user=phone` as `+43123`: who it is, for people. */
export function party(uri: string | null | undefined): string {
  if (!uri) return DASH;
  const bare = uri.replace(/^.*</, '').replace(/>.*$/, '').replace(/^(sips?|tel):/i, '');
  const user = bare.split('@', 1)[0] ?? bare;
  return decodedUser(user.split(';', 1)[0] || bare);
}

function decodedUser(user: string): string {
  try {
    return decodeURIComponent(user);
  } catch {
    return user;
  }
}

/** `call_answered` as `call answered`. */
export function words(name: string): string {
  return name.replaceAll('_', ' ');
}

/** Any value on one line. */
export function oneLine(value: unknown): string {
  if (value === undefined || value === null) return DASH;
  if (typeof value === 'string') return value === '' ? '“”' : value;
  return JSON.stringify(value);
}

/** What a MOS means (ITU-T G.107 Annex B): good from 4.0, fair from 3.6, else poor. */
export function mosGrade(mos: number | null | undefined): 'none' | 'good' | 'fair' | 'poor' {
  if (mos === null || mos === undefined) return 'none';
  if (mos >= 4) return 'good';
  return mos >= 3.6 ? 'fair' : 'poor';
}
