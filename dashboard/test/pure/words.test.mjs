// The words, in each language.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { chosenLanguage, LANGUAGES } from '../build/dashboard/src/words.js';

/** Every word by its path; functions are asked with plain things. */
function* leaves(tree, path = '') {
  for (const [name, part] of Object.entries(tree)) {
    const at = `${path}${name}`;
    if (typeof part === 'object') yield* leaves(part, `${at}.`);
    else yield [at, typeof part === 'function' ? part('A', 2, '3', 'D') : part];
  }
}

const EACH = Object.keys(LANGUAGES);

test('each language has the same words, and none is empty', () => {
  const paths = (code) => [...leaves(LANGUAGES[code].words)].map(([path]) => path);
  for (const code of EACH) {
    assert.deepEqual(paths(code), paths('en'), code);
    for (const [path, text] of leaves(LANGUAGES[code].words)) assert.match(text, /\S/, `${code}: ${path}`);
  }
});

test('German is not English', () => {
  const german = new Map(leaves(LANGUAGES.de.words));
  const alike = [...leaves(LANGUAGES.en.words)].filter(([path, text]) => german.get(path) === text).map(([path]) => path);
  // Names, and words that both languages share.
  assert.deepEqual(alike.filter((path) => !['app.shop', 'link.live', 'link.off', 'signIn.name', 'overview.online', 'people.name', 'search.status', 'stream.command', 'stream.run'].includes(path)), []);
});

test('the pseudo-locale is longer by two fifths', () => {
  const english = new Map(leaves(LANGUAGES.en.words));
  for (const [path, text] of leaves(LANGUAGES.pseudo.words)) assert.ok(text.length >= english.get(path).length * 1.4, path);
});

test('the first wish that there is a language for is granted', () => {
  assert.equal(chosenLanguage([null, 'fr-CA', 'de-AT', 'en']), 'de');
  assert.equal(chosenLanguage(['', undefined, 'constructor', 'fr']), 'en');
});

test('no view has words of its own', () => {
  for (const view of ['app.tsx', ...['account', 'help', 'overview', 'people', 'search', 'sign-in'].map((name) => `views/${name}.tsx`)]) {
    const source = readFileSync(new URL(`../../src/${view}`, import.meta.url), 'utf8');
    // Text between tags that has two letters in a row is a word; `stockd` is a name.
    const found = [...source.matchAll(/(?<!=)>([^<>{}()=;]*[A-Za-z]{2}[^<>{}()=;]*)</g)].map(([, text]) => text.trim()).filter((text) => text !== 'stockd');
    assert.deepEqual(found, [], view);
  }
});
