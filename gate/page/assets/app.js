// The list: what there is, searched and filtered, and which of it is chosen. What is shown of the chosen one is view.js.
import { el, get, show, size, span } from './view.js';

const $ = (id) => document.getElementById(id);
const step = 200; // rows that are drawn at once
let all = [], text = '', drawn = step, chosen = null, loaded = '';

// The address has a key behind its #, for this tab and port alone; what stands there from then on is the session.
const given = new URLSearchParams(location.hash.slice(1));
if (given.has('key')) {
  sessionStorage.setItem('key', given.get('key'));
  history.replaceState(null, '', given.has('session') ? '#' + encodeURIComponent(given.get('session')) : location.pathname);
}

const kinds = { human: 'person', agent: 'agent' };
const day = (d) => d.toLocaleDateString(undefined, { weekday: 'long', year: 'numeric', month: 'long', day: 'numeric' });
const clock = (d) => d.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

async function load() {
  try {
    const got = await get('/api/recordings');
    const now = JSON.stringify(got);
    if (now === loaded) return;
    loaded = now;
    $('problems').replaceChildren(...got.problems?.map((p) => el('p', '', p)) ?? []);
    all = got.recordings;
    for (const r of all) {
      r.when = new Date(r.begun);
      r.said = [r.session, r.principal, r.kind, kinds[r.kind], r.agent, r.ref, r.op, r.command, day(r.when), r.live ? 'live' : 'over']
        .join(' ').toLowerCase();
    }
    offerRepositories();
    draw();
  } catch (e) {
    $('problems').replaceChildren(el('p', '', e.message));
  }
}

function offerRepositories() {
  const now = $('repo').value, names = [...new Set(all.map((r) => r.repo))].sort();
  $('repo').replaceChildren($('repo').firstElementChild, ...names.map((n) => Object.assign(el('option', '', n), { value: n })));
  $('repo').value = names.includes(now) ? now : '';
}

function matching() {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean), kind = $('kind').value, repo = $('repo').value;
  return all.filter((r) => (!kind || r.kind === kind) && (!repo || r.repo === repo) && words.every((w) => r.said.includes(w)));
}

function draw() {
  const found = matching(), focused = document.activeElement?.dataset?.session, rows = [];
  let last = '';
  for (const r of found.slice(0, drawn)) {
    if (day(r.when) !== last) rows.push(el('li', 'day', last = day(r.when)));
    rows.push(row(r));
  }
  $('rows').replaceChildren(...rows);
  $('count').textContent = found.length === all.length ? `${all.length}` : `${found.length} of ${all.length}`;
  $('more').hidden = found.length <= drawn;
  $('more').textContent = `Show ${Math.min(step, found.length - drawn)} more of ${found.length - drawn}`;
  $('none').hidden = found.length > 0;
  $('none').textContent = all.length ? 'No recording matches. Escape clears the search.' :
    'There are no recordings. Policy’s record decides which sessions are recorded: forkgate policy schema.';
  if (focused) links().find((a) => a.dataset.session === focused)?.focus({ preventScroll: true });
}

function row(r) {
  const a = Object.assign(el('a'), { href: '#' + encodeURIComponent(r.session) });
  a.dataset.session = r.session;
  if (r.session === chosen) a.setAttribute('aria-current', 'true');
  const who = el('span', 'who', '', el('span', '', r.principal), badge(r));
  const when = Object.assign(el('time', '', clock(r.when)), { dateTime: r.begun, title: r.when.toLocaleString() });
  const what = el('span', 'what mono cut', '', el('b', '', r.ref), ` ${r.op}${r.command ? ' ' + r.command : ''}`);
  what.title = `${r.ref} ${r.op} ${r.command ?? ''}`;
  const more = el('span', 'more', '', r.live ? el('span', 'live', 'live') : el('span', '', r.seconds === undefined ? 'no end known' : span(r.seconds)),
    el('span', '', size(r.size)), r.sealed ? el('span', '', 'encrypted') : '');
  a.append(who, when, what, more);
  return el('li', '', '', a);
}

const badge = (r) => el('span', 'badge ' + (r.kind === 'human' ? '' : 'agent'), (kinds[r.kind] ?? r.kind) + (r.agent ? ' · ' + r.agent : ''));
const links = () => [...$('rows').querySelectorAll('a')];

async function choose() {
  let to = location.hash.slice(1);
  try { to = decodeURIComponent(to); } catch { /* what it says is no session, then */ }
  if (to === (chosen ?? '')) return;
  chosen = to || null;
  document.body.classList.toggle('open', Boolean(chosen));
  for (const a of links()) {
    if (a.dataset.session === chosen) a.setAttribute('aria-current', 'true'); else a.removeAttribute('aria-current');
  }
  await show($('detail'), chosen, badge);
  if (chosen && getComputedStyle($('rows').closest('nav')).display === 'none') scrollTo(0, 0);
}

function move(by) {
  const a = links(), at = a.indexOf(document.activeElement), from = at >= 0 ? at : a.findIndex((x) => x.dataset.session === chosen);
  a[Math.min(Math.max(from + by, 0), a.length - 1)]?.focus();
}

function back() {
  if (document.activeElement === $('search') && text) {
    $('search').value = text = '';
    draw();
  } else if (chosen) {
    const was = chosen;
    history.pushState(null, '', location.pathname);
    choose();
    links().find((a) => a.dataset.session === was)?.focus();
  } else {
    document.activeElement.blur();
  }
}

document.addEventListener('keydown', (e) => {
  const on = e.target;
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || on.closest?.('.ap-wrapper')) return;
  const typing = on.matches?.('input[type=search], select');
  const act = { Escape: back, ArrowDown: () => move(1), ArrowUp: () => move(-1), ...typing ? {} : { '/': () => $('search').focus(), j: () => move(1), k: () => move(-1) } }[e.key];
  const scrolls = e.key.startsWith('Arrow') && (on.matches?.('select') || on.closest?.('main'));
  if (act && !scrolls) {
    e.preventDefault();
    act();
  } else if (e.key === 'Enter' && on === $('search')) {
    links()[0]?.click();
  }
});
$('search').addEventListener('input', (e) => { text = e.target.value; drawn = step; draw(); });
for (const id of ['kind', 'repo']) $(id).addEventListener('change', () => { drawn = step; draw(); });
$('more').addEventListener('click', () => { drawn += step; draw(); });
$('skip').addEventListener('click', (e) => { e.preventDefault(); $('detail').focus(); });
addEventListener('hashchange', choose);
setInterval(() => { if (!document.hidden && all.some((r) => r.live)) load(); }, 5000);
await load();
choose();
