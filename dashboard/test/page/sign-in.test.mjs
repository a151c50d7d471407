// Signing in and accounts, against the answers that the daemon gives.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { Accounts, PASSWORD } from './accounts.mjs';
import { complaints, House } from './house.mjs';

let house;
let page;

before(async () => {
  house = await House.start();
});

afterEach(async () => {
  await page?.context().close();
  page = undefined;
});

after(() => house.stop());

async function open(accounts, address = '/') {
  const context = await house.browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 } });
  await accounts.serve(context);
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`${house.url}${address}`);
}

async function signIn(accounts, address) {
  await open(accounts, address);
  await page.getByLabel('Name').fill('Ann');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.locator('.connection[data-state=live]').waitFor();
}

test('a wrong password is said, and the right one signs in and survives a reload by the cookie', async () => {
  const accounts = new Accounts(house);
  await open(accounts);
  await page.getByLabel('Name').fill('Ann');
  await page.getByLabel('Password').fill('something else');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('The name or the password is wrong.').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Ann', 'what was typed stays');
  assert.deepEqual(await complaints(page), []);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('.connection[data-state=live]').waitFor();
  await page.reload();
  await page.locator('.connection[data-state=live]').waitFor();
});

test('each provider has a button, and without passwords there is no form', async () => {
  const accounts = new Accounts(house);
  accounts.options.passwordLogin = false;
  await open(accounts);
  assert.equal(await page.getByRole('link', { name: 'Sign in with Acme' }).getAttribute('href'), '/api/v1/session/oidc/acme');
  assert.equal(await page.getByLabel('Password').count(), 0);
});

test('without TLS no password is asked for, and the page says how to get it', async () => {
  const accounts = new Accounts(house);
  accounts.options.tls = false;
  await open(accounts);
  await page.getByText('Passwords are taken over HTTPS only').waitFor();
  assert.equal(await page.getByLabel('Password').count(), 0);
});

test('a one-time link asks for a password and signs in, and leaves nothing in the address', async () => {
  const accounts = new Accounts(house);
  await open(accounts, '/#link=good');
  assert.equal(new URL(page.url()).hash, '');
  await page.getByRole('heading', { name: 'Choose your password' }).waitFor();
  await page.getByLabel('New password').fill('short');
  await page.keyboard.press('Enter');
  assert.ok(!accounts.asked.includes('POST session/link'), 'too short a password is not sent');
  await page.getByLabel('New password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('.connection[data-state=live]').waitFor();
});

test('a used link is said', async () => {
  await open(new Accounts(house), '/#link=used');
  await page.getByLabel('New password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('This link was used').waitFor();
});

test('a token is renewed before it ends, and the connection stays', async () => {
  const accounts = new Accounts(house);
  // The page renews a minute before the end: so at once, and then again after the next answer.
  accounts.seconds = 61;
  await signIn(accounts);
  await page.waitForRequest((request) => request.url().endsWith('/session/refresh'));
  assert.equal(await page.locator('.connection').getAttribute('data-state'), 'live');
});

test('signing out ends the session, and nothing of the shop stays on the screen', async () => {
  const accounts = new Accounts(house);
  await signIn(accounts, '/account');
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await page.getByText('You are signed out.').waitFor();
  assert.ok(accounts.asked.includes('DELETE session'));
  assert.equal(await page.locator('.page').count(), 0);
});

test('the account lists where it is signed in, ends one of them, or all', async () => {
  const accounts = new Accounts(house);
  await signIn(accounts, '/account');
  await page.getByText('A phone').waitFor();
  assert.deepEqual(await complaints(page), []);
  await page.locator('.rows li', { hasText: 'A phone' }).getByRole('button', { name: 'End' }).click();
  await page.getByText('A phone').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByText('You are signed out.').waitFor();
});

test('the password is changed with the current one', async () => {
  await signIn(new Accounts(house), '/account');
  await page.getByLabel('Current password').fill('wrong');
  await page.getByLabel('New password').fill('another long password');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The current password is another one.').waitFor();
  await page.getByLabel('Current password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Saved.').waitFor();
});

test('an admin adds a person, gives them a link, and disables them', async () => {
  const accounts = new Accounts(house);
  await signIn(accounts, '/people');
  await page.getByRole('button', { name: 'Add a person' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Bob');
  const { data } = await house.ask('locations');
  await dialog.getByRole('checkbox', { name: data[0].name }).check();
  await dialog.getByRole('button', { name: 'Add a person' }).click();
  const link = page.getByRole('dialog', { name: 'Link for Bob' });
  assert.match(await link.getByRole('textbox').inputValue(), /#link=for-bob$/);
  assert.deepEqual(await complaints(page), []);
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Disable: Bob' }).click();
  await page.getByRole('button', { name: 'Enable: Bob' }).waitFor();
  assert.deepEqual(accounts.people.at(-1).locations, [data[0].locationId]);
  await page.getByRole('row', { name: 'Bob' }).getByText(data[0].name).waitFor();
  assert.deepEqual(await complaints(page), []);
});

test('the installed page opens without the network, says so, and comes back by itself', async () => {
  page = await house.page({ role: null });
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  // As over HTTPS, where the page does it itself.
  await page.evaluate(async () => {
    const policy = globalThis.trustedTypes.createPolicy('stockd', { createScriptURL: () => '/sw.js' });
    await navigator.serviceWorker.register(policy.createScriptURL(''));
    await navigator.serviceWorker.ready;
  });
  // Now it is the worker that fetches, and keeps.
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.context().setOffline(true);
  await page.reload();
  await page.getByText('stockd does not answer').waitFor();
  await page.context().setOffline(false);
  await page.getByText('stockd does not answer').waitFor({ state: 'detached' });
});
