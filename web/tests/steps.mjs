// What the browser tests share: one browser, and steps that build on each other.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Browser } from './browser.mjs';

/**
 * A browser for the steps of this file, which ends with them. Of a step that fails there is a picture;
 * those after it are skipped.
 */
export async function start() {
  const browser = await Browser.start();
  after(() => browser.stop());
  let failed = false;
  const step = (name, run) =>
    test(name, { timeout: 180_000 }, async (t) => {
      if (failed) return t.skip('an earlier step failed');
      try {
        await run();
      } catch (error) {
        failed = true;
        await browser.shot(`failed-${name.replace(/\W+/g, '-').slice(0, 60)}`).catch(() => {});
        throw error;
      }
    });
  /** The last step of every file. */
  const stepWithoutOffences = () => step('nothing was asked of anybody else, and the policy was never broken', () => assert.deepEqual(browser.offences, []));
  return { browser, page: browser.page, step, stepWithoutOffences };
}
