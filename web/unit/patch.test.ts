import { describe, expect, it } from 'vitest';
import { differences, patchOf, valueAt, withValue } from '../src/core/patch';

const FIELDS = ['secure', 'acl', 'codecs', 'video', 'dial_plan', 'auth'];

describe('a change of a trunk', () => {
  const base = { name: 'carrier', secure: 'tls', acl: ['10.0.0.1'], video: true, auth: { user: 'a', has_password: true } };

  it('has what was changed and nothing else', () => {
    expect(patchOf(base, { ...base, secure: 'srtp', name: 'other' }, FIELDS)).toEqual({ secure: 'srtp' });
    expect(patchOf(base, { ...base, acl: ['10.0.0.1'] }, FIELDS)).toEqual({});
  });

  it('takes away what was emptied (RFC 7396: null)', () => {
    expect(patchOf(base, { ...base, acl: [], video: undefined }, FIELDS)).toEqual({ acl: null, video: null });
  });

  it('takes a switch that is off for one that was never set', () => {
    expect(patchOf({}, { video: false }, FIELDS)).toEqual({});
  });

  it('changes a password within its table, and leaves the user alone', () => {
    expect(patchOf(base, withValue(base, 'auth.password', 'secret'), FIELDS)).toEqual({ auth: { password: 'secret' } });
  });

  it('takes a table away with its last value', () => {
    expect(patchOf(base, withValue(base, 'auth.user', ''), FIELDS)).toEqual({ auth: null });
    expect(withValue({ dial_plan: { country: '43' } }, 'dial_plan.country', '')).toEqual({});
    expect(valueAt({ dial_plan: { country: '43' } }, 'dial_plan.country')).toBe('43');
  });
});

describe('two who change the same trunk', () => {
  it('are told who changed what', () => {
    const base = { secure: 'tls', acl: ['a'], codecs: ['PCMU'] };
    const mine = { ...base, secure: 'srtp', acl: ['a', 'b'] };
    const theirs = { ...base, secure: 'disabled', codecs: ['PCMA'] };
    expect(differences(base, mine, theirs, FIELDS).map(({ field, whose }) => [field, whose])).toEqual([
      ['secure', 'both'],
      ['acl', 'mine'],
      ['codecs', 'theirs'],
    ]);
  });

  it('who did the same do not differ', () => {
    expect(differences({ secure: 'tls' }, { secure: 'srtp' }, { secure: 'srtp' }, FIELDS)).toEqual([]);
  });
});
