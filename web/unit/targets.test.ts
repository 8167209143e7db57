import { describe, expect, it } from 'vitest';
import { tried } from '../src/core/targets';
import type { Call, TriedTarget } from '../src/core/types';

function target(uri: string): TriedTarget {
  return { uri, address: null, transport: null, status: null, outcome: 'no answer' };
}

function call(lists: Pick<Call, 'targets' | 'first_party_targets'>): Call {
  return { call: 1, from: 'sip:1000@a.example', to: 'sip:2000@b.example', caller: {}, callee: null, ...lists };
}

const [DESK, MOBILE, CARRIER] = [target('sip:desk.example'), target('sip:mobile.example'), target('sip:carrier.example')];

describe('the targets of a call', () => {
  it('are one list where somebody called', () => {
    expect(tried(call({ targets: [CARRIER] }))).toEqual([{ title: 'Targets tried', targets: [CARRIER] }]);
  });

  it('are a list for each party, the first one first, where the call was placed', () => {
    expect(tried(call({ targets: [CARRIER], first_party_targets: [DESK, MOBILE] }))).toEqual([
      { title: 'Targets tried for the first party', targets: [DESK, MOBILE] },
      { title: 'Targets tried for the second party', targets: [CARRIER] },
    ]);
  });

  it('are those of the first party alone while it has not answered', () => {
    expect(tried(call({ targets: [], first_party_targets: [DESK] }))).toEqual([{ title: 'Targets tried for the first party', targets: [DESK] }]);
  });

  it('are none where nothing was tried', () => {
    expect(tried(call({ targets: [] }))).toEqual([]);
    expect(tried(call({}))).toEqual([]);
  });
});
