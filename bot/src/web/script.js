// What makes the pages move: live tables, countdowns, the address of the other family. Without it they work all the same.
(() => {
  'use strict';
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const live = document.getElementById('live');
  const here = document.getElementById('here');
  const said = document.getElementById('said');
  const stale = document.getElementById('stale');
  // The page anew; it may be the answer to a form, which nobody wants to send again.
  const again = (address) => (live ? location.replace(live.dataset[address]) : location.reload());

  // Times in the reader's own zone, and how long is left by the server's clock.
  const ahead = live ? Number(live.dataset.now) - Date.now() : 0;
  const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
  const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', timeZoneName: 'short' });
  const localize = () => {
    for (const element of all('time:not([title])')) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      element.title = element.dateTime;
      const today = at.toDateString() === new Date().toDateString();
      element.textContent = today ? time.format(at) : `${day.format(at)}, ${time.format(at)}`;
    }
  };
  const left = (milliseconds) => {
    const seconds = Math.floor(milliseconds / 1000);
    if (seconds <= 0) return 'now';
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    if (h > 0) return `in ${h}h ${m}m`;
    return m >= 10 ? `in ${m}m` : m > 0 ? `in ${m}m ${s}s` : `in ${s}s`;
  };
  const tick = () => {
    for (const element of all('[data-until]')) {
      const text = left(Number(element.dataset.until) - Date.now() - ahead);
      if (element.textContent !== text) element.textContent = text;
    }
  };

  // The live part: the server renders it; what is focused and what is open stays so.
  const statuses = () => new Map(all('[data-session]', live).map((row) => [row.dataset.session, row.dataset.status]));
  let shown = '';
  const swap = (html) => {
    if (html === shown) return;
    shown = html;
    const focused = document.activeElement && live.contains(document.activeElement) ? document.activeElement : null;
    const key = focused?.dataset.key;
    const row = focused?.closest('[data-session]')?.dataset.session;
    const open = new Map(all('details[data-key]', live).map((each) => [each.dataset.key, each.open]));
    const before = statuses();
    live.innerHTML = html;
    const now = statuses();
    for (const each of all('details[data-key]', live)) {
      const session = each.closest('[data-session]').dataset.session;
      const worse = before.has(session) && before.get(session) !== now.get(session) && each.open;
      if (open.has(each.dataset.key) && !worse) each.open = open.get(each.dataset.key);
    }
    if (focused) {
      const again = all('[data-key]', live).find((each) => each.dataset.key === key);
      const near = row && live.querySelector(`[data-session="${row}"] summary`);
      (again || near || document.getElementById('main')).focus({ preventScroll: true });
    }
    const news = [...now].filter(([session, status]) => before.has(session) && before.get(session) !== status);
    if (news.length) said.textContent = news.map(([session, status]) => `Session ${session} is ${status}.`).join(' ');
    if (before.size !== now.size || [...now].some(([session, status]) => before.get(session) !== status)) warnAnew();
    localize();
    tick();
  };
  // Whether what is shown is still so. One look that fails may be a hiccup; two are told, until one works again.
  let known = Date.now();
  let missed = 0;
  const isUpToDate = () => {
    known = Date.now();
    missed = 0;
    if (stale.firstChild) stale.replaceChildren();
  };
  const miss = () => {
    missed += 1;
    if (missed < 2 || stale.firstChild) return;
    const alert = document.createElement('p');
    alert.className = 'alert';
    alert.textContent = `Not up to date since ${time.format(known)}: the server does not answer. What is below may have changed; this page keeps trying.`;
    stale.append(alert);
  };
  // What the stream has told meanwhile is newer than what was asked for before, or something newer is about to follow it.
  let heard = 0;
  const look = async () => {
    const before = heard;
    const answer = await fetch(live.dataset.table, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
    const html = await answer.text();
    if (answer.ok && !answer.redirected) {
      isUpToDate();
      if (heard === before) swap(html);
    }
    else if (answer.redirected || answer.status === 401 || answer.status === 403) again('page');
    else throw new Error(answer.status);
  };
  let polling = 0;
  const poll = () => {
    polling ||= setInterval(() => look().catch(miss), 5000);
  };
  const listen = () => {
    if (!window.EventSource) return poll();
    const events = new EventSource(live.dataset.events);
    let open = false;
    events.addEventListener('open', () => { open = true; });
    events.addEventListener('sessions', (event) => {
      heard += 1;
      isUpToDate();
      clearInterval(polling);
      polling = 0;
      swap(event.data);
    });
    events.addEventListener('error', () => {
      // It would have told what changed until now.
      if (open) known = Date.now();
      open = false;
      poll();
      // A browser comes again by itself, unless it was refused.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 15000);
    });
  };

  // Forms: each is sent once; those of the live part without leaving the page.
  const complain = (text) => {
    const place = document.getElementById('error');
    if (!place) return;
    place.replaceChildren();
    if (!text) return;
    const alert = document.createElement('p');
    alert.className = 'alert';
    alert.setAttribute('role', 'alert');
    alert.textContent = text;
    place.append(alert);
  };
  const send = async (form) => {
    const answer = await fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) });
    if (answer.ok) {
      complain('');
      return look().catch(miss);
    }
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    complain(page.querySelector('.alert, .error')?.textContent || 'That did not work. Load the page again.');
  };
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.method !== 'post') return;
    if (form.getAttribute('aria-busy') === 'true') return event.preventDefault();
    form.setAttribute('aria-busy', 'true');
    if (!('live' in form.dataset) || !live) return;
    event.preventDefault();
    send(form)
      .catch(() => complain('The server could not be reached, so nothing was changed. Try again.'))
      .finally(() => form.removeAttribute('aria-busy'));
  });
  addEventListener('pageshow', (event) => {
    if (event.persisted) again('page');
  });

  // Where we come from: the other family's address, and whether our own is still the one that the page shows.
  const ask = async (url) => {
    const answer = await fetch(url, { credentials: 'omit', cache: 'no-store' });
    return answer.ok ? answer.json() : null;
  };
  // What there is to know of both addresses is said before any form opens them, and anew when a session has begun or ended.
  let sealedOther = document.querySelector('input[name="other"]')?.value ?? '';
  const askWarnings = async () => {
    const query = new URLSearchParams({ seen: here.dataset.sealed, other: sealedOther });
    const answer = await fetch(`${here.dataset.warnings}?${query}`, { cache: 'no-store', signal: AbortSignal.timeout(10000) });
    if (!answer.ok || answer.redirected) return false;
    const parts = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const id of ['moved', 'warnings']) {
      const [place, news] = [document.getElementById(id), parts.getElementById(id)];
      // What says the same stays, with what is focused in it.
      if (place.textContent === news.textContent) continue;
      const focused = place.contains(document.activeElement);
      place.replaceChildren(...news.childNodes);
      if (focused) document.getElementById('main').focus({ preventScroll: true });
    }
    return true;
  };
  // One at a time: no older answer takes the place of a newer one.
  let warned = Promise.resolve();
  const warn = () => {
    warned = warned.then(askWarnings).catch(() => false);
    return warned;
  };
  let behind = false;
  const warnAnew = async () => {
    if (here) behind = !(await warn());
  };
  const put = (name, sealed) => all(`input[name="${name}"]`).forEach((field) => { field.value = sealed; });
  const lookElsewhere = async () => {
    if (!here.dataset.elsewhere) return;
    const other = await ask(here.dataset.elsewhere).catch(() => null);
    const place = document.getElementById('other');
    if (!other || other.address === here.dataset.own || !place) return;
    if (other.family === (here.dataset.own.includes(':') ? 'IPv6' : 'IPv4')) return;
    sealedOther = other.sealed;
    if (place.dataset.address !== other.address) {
      if (!(await warn())) return;
      place.dataset.address = other.address;
      const [address, code, family] = ['span', 'code', 'span'].map((name) => document.createElement(name));
      [address.className, code.textContent, family.className, family.textContent] = ['address', other.address, 'family', other.family];
      address.append(code, ' ', family);
      place.replaceChildren(address);
      place.hidden = false;
    }
    // What was seen longer ago is not opened.
    put('other', other.sealed);
  };
  const lookHere = async () => {
    const own = await ask(here.dataset.look).catch(() => null);
    if (!own) return;
    if (own.address === here.dataset.own) {
      here.dataset.sealed = own.sealed;
      return put('seen', own.sealed);
    }
    // Over the other family of the same machine, nothing has changed.
    if (own.family === (here.dataset.own.includes(':') ? 'IPv4' : 'IPv6')) return;
    const writing = document.activeElement?.matches('input, select');
    if (!writing) return again('again');
    complain(`Your address is ${own.address} now. Load the page again before you start a session.`);
  };

  localize();
  tick();
  setInterval(tick, 1000);
  if (live) {
    listen();
    // A stream lasts a minute, and each begins with what is so. One that is silent for longer is dead, and does not know it.
    setInterval(() => { if (!polling && Date.now() - known > 100000) poll(); }, 10000);
  }
  if (here) {
    lookElsewhere();
    setInterval(() => lookHere().then(lookElsewhere).then(() => behind && warnAnew()), 60000);
    addEventListener('online', lookHere);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) lookHere(); });
  }
})();
