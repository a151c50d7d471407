// A person's way in, on the daemon itself: from the link to the page, and out again.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { complaints, House } from './house.mjs';

const PASSWORD = 'a long enough passphrase';

const house = await House.start();
after(() => house.stop());

async function asks(method, path, body) {
  const answer = await fetch(`${house.url}/api/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${house.tokens.admin}`, 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

/** A page at which somebody new has just signed in by their link. */
async function invited(name, role) {
  const { id } = await asks('POST', 'users', { name, role });
  const { link } = await asks('POST', `users/${id}/link`);
  const page = await house.page({ fragment: new URL(link).hash, path: '/' });
  await page.getByLabel('New password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('.connection[data-state=live]').waitFor();
  return { id, link, page };
}

test('a link leads to a password and to the page, once, and the cookie outlives a reload', async () => {
  const { link, page } = await invited('Ann', 'manager');
  assert.deepEqual(await complaints(page), []);
  const [cookie, ...others] = await page.context().cookies();
  assert.deepEqual([cookie.httpOnly, cookie.sameSite, others], [true, 'Strict', []]);
  await page.reload();
  await page.locator('.connection[data-state=live]').waitFor();
  await page.context().close();

  const again = await house.page({ fragment: new URL(link).hash });
  await again.getByLabel('New password').fill(PASSWORD);
  await again.keyboard.press('Enter');
  await again.getByRole('alert').getByText('was used or has run out').waitFor();
  await again.context().close();
});

test('whose role changes is out at once, and comes back with the password to what the new role may see', async () => {
  const { id, page } = await invited('Bob', 'admin');
  await page.getByRole('link', { name: 'People' }).waitFor();
  await asks('PATCH', `users/${id}`, { role: 'staff' });
  await page.getByLabel('Name').fill('Bob');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('.connection[data-state=live]').waitFor();
  assert.equal(await page.getByRole('link', { name: 'People' }).count(), 0);
  await page.context().close();
});

test('signing out everywhere ends the session in another browser, too', async () => {
  const { page } = await invited('Cleo', 'staff');
  const other = await house.page({ role: null });
  await other.getByLabel('Name').fill('cleo');
  await other.getByLabel('Password').fill(PASSWORD);
  await other.keyboard.press('Enter');
  await other.locator('.connection[data-state=live]').waitFor();
  await page.goto(`${house.url}/account`);
  await page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByText('You are signed out.').waitFor();
  await other.getByLabel('Password').waitFor();
  await page.context().close();
  await other.context().close();
});
