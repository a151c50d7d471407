// Keeps the page's shell, so that an installed page opens without the network and can say that it is offline. Nothing of
// the shop is kept: what is below /api is never answered from here.
const SHELL = 'shell';

addEventListener('install', (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.add(new Request('/', { headers: { Accept: 'text/html' } }))));
  skipWaiting();
});

addEventListener('activate', (event) => event.waitUntil(clients.claim()));

addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin) return;
  if (request.mode === 'navigate') event.respondWith(document(request));
  else if (pathname.startsWith('/assets/')) event.respondWith(asset(request));
});

/** The newest document, or the kept one when nobody answers. */
async function document(request) {
  const cache = await caches.open(SHELL);
  try {
    const answer = await fetch(request);
    if (answer.ok && answer.headers.get('Content-Type')?.startsWith('text/html')) await keep(cache, answer.clone());
    return answer;
  } catch {
    return (await cache.match('/')) ?? Response.error();
  }
}

/** Every address of the page has the same document. The files that an earlier build needed are dropped with it. */
async function keep(cache, answer) {
  const kept = await cache.match('/');
  if (kept?.headers.get('ETag') !== answer.headers.get('ETag')) {
    for (const file of await cache.keys()) await cache.delete(file);
  }
  await cache.put('/', answer);
}

/** A file with a hash in its name never changes. */
async function asset(request) {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}
