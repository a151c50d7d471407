// The shell: what holds on every view.
import { effect, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { announced } from './announce.ts';
import { listenForKeys } from './keys.ts';
import { language, moment, words, zone } from './language.ts';
import { link, notice, type LinkState } from './live.ts';
import { go, place } from './router.ts';
import { isAdmin, session, standing } from './session.ts';
import { openShop, problem, shopName, shops } from './shop.ts';
import { Sign, type SignName } from './signs.tsx';
import { Account } from './views/account.tsx';
import { Help } from './views/help.tsx';
import { Overview } from './views/overview.tsx';
import { People } from './views/people.tsx';
import { FoundItem } from './views/search.tsx';
import { SignIn } from './views/sign-in.tsx';

/** How long a notice stays. */
const NOTICE_MS = 10_000;

effect(() => {
  document.documentElement.lang = language.value.tag;
  document.documentElement.dir = language.value.direction;
});

export function App() {
  return (
    <>
      <p class="hidden" role="status" aria-live="polite" id="announcements">
        {announced}
      </p>
      {standing.value.kind === 'in' ? <SignedIn /> : <SignIn />}
    </>
  );
}

function SignedIn() {
  const { app: said } = words.value;
  const search = useRef<HTMLInputElement>(null);
  const helps = useSignal(false);
  const sku = useSignal('');
  const { path, query } = place.value;
  const user = session.value?.user.id;

  useEffect(() => openShop(), [query.shop, user]);
  useEffect(
    () =>
      listenForKeys(
        {
          '/': () => search.current?.focus(),
          '?': () => (helps.value = true),
          'g o': () => go('/'),
          'g a': () => go('/account'),
        },
        (code) => (sku.value = code),
      ),
    [],
  );
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    sku.value = search.current?.value.trim() ?? '';
  };

  return (
    <div class={`page link-${link.value.state}`}>
      <a class="skip" href="#content">
        {said.skip}
      </a>
      <header class="bar">
        <a class="brand" href="/">
          <img src="/icon.svg" alt="" width="24" height="24" /> stockd
        </a>
        <ShopSwitch />
        <Navigation path={path} />
        <form class="search" role="search" onSubmit={find}>
          <Sign name="search" />
          <input
            ref={search}
            type="search"
            name="sku"
            aria-label={words.value.search.label}
            placeholder={words.value.search.label}
            disabled={link.value.state === 'offline'}
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
            maxLength={255}
            onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
          />
          <kbd aria-hidden="true">/</kbd>
        </form>
        <Connection />
        <button class="icon" aria-label={said.help} title={said.help} onClick={() => (helps.value = true)}>
          <Sign name="help" />
        </button>
      </header>
      <Notice />
      <main id="content" tabIndex={-1}>
        {problem.value ? <ShopProblem /> : <View path={path} />}
      </main>
      <footer class="quiet">{said.timesIn(zone)}</footer>
      {helps.value && <Help onClose={() => (helps.value = false)} />}
      {sku.value && <FoundItem key={sku.value} sku={sku.value} onClose={() => (sku.value = '')} />}
    </div>
  );
}

function View({ path }: { path: string }) {
  const { app: said } = words.value;
  if (path === '/') return <Overview />;
  if (path === '/account') return <Account />;
  if (path === '/people' && isAdmin.value) return <People />;
  return (
    <p>
      {said.noSuchPage} <a href="/">{said.toOverview}</a>
    </p>
  );
}

function Navigation({ path }: { path: string }) {
  const { app: said } = words.value;
  const views: [string, string][] = [['/', said.overview], ...(isAdmin.value ? ([['/people', said.people]] as [string, string][]) : []), ['/account', said.account]];
  return (
    <nav aria-label={said.views}>
      {views.map(([to, name]) => (
        <a key={to} href={to} aria-current={path === to ? 'page' : undefined}>
          {name}
        </a>
      ))}
    </nav>
  );
}

function ShopSwitch() {
  const { app: said } = words.value;
  const [shown, all] = [shopName.value, shops.value];
  const short = (shop: string) => shop.replace(/\.myshopify\.com$/, '');
  if (!shown) return null;
  if (all.length < 2) {
    return (
      <span class="shop" title={shown}>
        {short(shown)}
      </span>
    );
  }
  return (
    <select class="shop" aria-label={said.shop} value={shown} onChange={(event) => go(place.value.path, { shop: event.currentTarget.value })}>
      {all.map((shop) => (
        <option key={shop} value={shop}>
          {short(shop)}
        </option>
      ))}
    </select>
  );
}

const LINK_SIGNS: Record<LinkState, SignName> = { connecting: 'waiting', live: 'live', catching_up: 'waiting', offline: 'offline' };

function Connection() {
  const { link: said } = words.value;
  const { state, since } = link.value;
  const text = { connecting: said.connecting, live: said.live, catching_up: said.catchingUp, offline: said.offline(moment(since)) }[state];
  return (
    <span class={`connection connection-${state}`} data-state={state}>
      <Sign name={LINK_SIGNS[state]} /> <span>{text}</span>
    </span>
  );
}

/** What was said of the connection last, for a while. */
function Notice() {
  const said = notice.value;
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => (notice.value = ''), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return said ? <p class="notice">{said}</p> : null;
}

/** The shop cannot be shown: which one is not known, or it may not be read. */
function ShopProblem() {
  const { app: said } = words.value;
  const failure = problem.value;
  if (!failure) return null;
  const choose = (event: SubmitEvent) => {
    event.preventDefault();
    go(place.value.path, { shop: String(new FormData(event.currentTarget as HTMLFormElement).get('shop')).trim() });
  };
  const unknown = failure.code === 'SHOP_REQUIRED' || failure.code === 'NOT_FOUND';
  return (
    <section class="card narrow">
      <h1>{unknown ? said.whichShop : said.failed}</h1>
      <p>{unknown && failure.code === 'SHOP_REQUIRED' ? said.whichShopWhy : failure.message}</p>
      {unknown && (
        <form class="copy-line" onSubmit={choose}>
          <input name="shop" required aria-label={said.shop} placeholder="name.myshopify.com" autocomplete="off" spellcheck={false} />
          <button class="primary">{said.open}</button>
        </form>
      )}
    </section>
  );
}
