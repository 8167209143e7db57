// A small line of the latest MOS values. The scale is fixed at 1 to 5: a line that fits itself to its
// values makes a good call look like a bad one.

const WIDTH = 84;
const HEIGHT = 20;
const LOWEST = 1;
const HIGHEST = 4.6;

export function Spark({ values, most = 30 }: { values: (number | null)[]; most?: number }) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" />;
  const lowest = Math.min(...known);
  const latest = known[known.length - 1] ?? lowest;
  return (
    <svg
      class={`spark ${latest < 3.6 ? 'poor' : latest < 4 ? 'fair' : ''}`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`MOS over time: now ${latest.toFixed(2)}, lowest ${lowest.toFixed(2)}`}
    >
      <path d={line(values.slice(-most), most)} />
    </svg>
  );
}

/** The latest value stands at the right edge; where there was none the line is broken. */
export function line(values: (number | null)[], most: number): string {
  const step = WIDTH / Math.max(1, most - 1);
  const first = WIDTH - (values.length - 1) * step;
  let isBroken = true;
  const parts = values.map((value, index) => {
    if (value === null) {
      isBroken = true;
      return '';
    }
    const x = first + index * step;
    const share = Math.min(1, Math.max(0, (value - LOWEST) / (HIGHEST - LOWEST)));
    const y = HEIGHT - 1.5 - share * (HEIGHT - 3);
    const part = `${isBroken ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    isBroken = false;
    // One value alone would be no line at all.
    return values.length === 1 ? `M${(x - 3).toFixed(1)} ${y.toFixed(1)}h3` : part;
  });
  return parts.join('');
}
