// A MOS with what it means.

import { fixed, mosGrade } from '../../core/format';

const GRADES = { none: '', good: 'good', fair: 'fair: some users are not satisfied', poor: 'poor: many users are dissatisfied' };

export function Mos({ value }: { value: number | null | undefined }) {
  const grade = mosGrade(value);
  return (
    <span class={`mos ${grade}`} title={GRADES[grade]}>
      {fixed(value, 2)}
      {(grade === 'fair' || grade === 'poor') && <span class="sr"> {grade}</span>}
    </span>
  );
}
