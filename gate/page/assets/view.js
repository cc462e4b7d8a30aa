// What is shown of one recording: the player, the decision, the log. All text is put in as text.

export function el(tag, className = '', text = '', ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text) e.textContent = text;
  e.append(...children);
  return e;
}

async function ask(path) {
  const answer = await fetch(path, { headers: { 'Forkgate-Key': sessionStorage.getItem('key') ?? '' } });
  if (answer.ok) return answer;
  throw new Error((await answer.json().catch(() => null))?.error ?? `forkgate answers ${answer.status}`);
}

const reach = (e) => { throw e instanceof TypeError ? new Error('forkgate replay --web does not answer any more') : e; };
export const get = (path) => ask(path).then((a) => a.json()).catch(reach);

export function size(bytes) {
  for (const unit of ['B', 'KiB', 'MiB']) {
    if (bytes < 1024) return `${unit === 'B' ? bytes : bytes.toFixed(1)} ${unit}`;
    bytes /= 1024;
  }
  return `${bytes.toFixed(1)} GiB`;
}

export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const s = Math.round(seconds), parts = [[Math.floor(s / 3600), 'h'], [Math.floor(s / 60) % 60, 'min'], [s % 60, 's']];
  return parts.filter(([n]) => n).slice(0, 2).map(([n, unit]) => `${n} ${unit}`).join(' ') || '0 s';
}

let shown = 0, player = null; // shown: what is asked for now; an answer to what was before is dropped

export async function show(into, session, badge) {
  const me = ++shown;
  player?.dispose();
  player = null;
  if (!session) {
    into.replaceChildren(el('p', 'empty', 'Choose a recording to play it, and to see what was decided about its session.'));
    document.title = 'Recordings · forkgate';
    return;
  }
  const back = Object.assign(el('a', 'back', '‹ All recordings'), { href: '#' });
  into.replaceChildren(back, el('p', 'empty', 'Reading the recording …'));
  into.scrollTop = 0;
  try {
    const got = await get('/api/recordings/' + encodeURIComponent(session));
    if (me !== shown) return;
    const r = got.recording, stage = el('div', 'stage');
    document.title = `${r.principal}: ${r.op} in ${r.ref} · forkgate`;
    into.replaceChildren(back, head(r, badge), ...got.problems.map((p) => el('p', 'note', p)), stage);
    into.append(log(got.lines));
    stage.append(r.op === 'sftp' ? operations(got.operations) : screen(r, me), decision(r, got.lines));
  } catch (e) {
    if (me === shown) into.replaceChildren(back, el('p', 'empty', `This recording cannot be shown: ${e.message}`));
  }
}

function head(r, badge) {
  const begun = new Date(r.begun), line = el('div', 'line', '', badge(r), el('span', 'quiet', moment(begun)));
  if (r.seconds !== undefined) line.append(el('span', 'quiet', span(r.seconds)));
  line.append(el('span', 'quiet', size(r.size)));
  if (r.live) line.append(el('span', 'live', 'live'));
  const h = el('div', 'head', '', el('h2', '', `${r.principal} · ${r.ref}`), line);
  h.append(el('pre', 'command mono', r.command || (r.op === 'shell' ? 'a shell' : r.op)));
  return h;
}

const themes = ['asciinema', 'dracula', 'gruvbox-dark', 'monokai', 'nord', 'solarized-dark', 'solarized-light', 'tango'];

function screen(r, me) {
  const box = el('div', 'screen'), notes = el('div');
  const speed = select('Speed', ['0.5', '1', '2', '4', '8'], '1', (v) => v + '×'), theme = select('Colours', themes, 'asciinema');
  const skip = Object.assign(el('input'), { type: 'checkbox', checked: true });
  const tools = el('div', 'tools', '', speed, el('label', '', '', skip, 'Skip pauses'), theme);
  let cast = null, rows; // rows: as many as a command wrote, where no terminal had a number of them
  const start = (at) => {
    player?.dispose();
    player = AsciinemaPlayer.create({ data: cast }, box, {
      autoPlay: !matchMedia('(prefers-reduced-motion: reduce)').matches, preload: true, fit: 'width', controls: true, startAt: at, rows,
      idleTimeLimit: skip.checked ? 1 : undefined, speed: Number(speed.lastChild.value), theme: theme.lastChild.value,
    });
  };
  const fetchCast = async () => {
    try {
      const got = split(await (await ask('/cast/' + encodeURIComponent(r.session))).text());
      if (me !== shown) return;
      cast = got.cast;
      box.style.setProperty('--least', `${Math.min(1600, 4.5 * (JSON.parse(cast.slice(0, cast.indexOf('\n'))).width || 0))}px`); // a wide terminal scrolls, and can be read
      if (!got.terminal) rows = Math.min(24, Math.max(6, got.events.join('').split('\\n').length));
      notes.replaceChildren(...got.note ? [el('p', 'note', got.note)] : []);
      start(0);
      if (!got.terminal && !notes.parentElement.querySelector('.transcript')) notes.parentElement.append(transcript(got.events));
    } catch (e) {
      if (me === shown) notes.replaceChildren(el('p', 'note', `It cannot be played: ${e.message}`));
    }
  };
  for (const control of [speed.lastChild, theme.lastChild, skip]) {
    control.addEventListener('change', () => { if (cast) start(control === skip ? 0 : player.getCurrentTime()); });
  }
  if (r.live) {
    const again = Object.assign(el('button', '', 'Play what came since'), { type: 'button' });
    again.addEventListener('click', fetchCast);
    tools.append(again);
  }
  fetchCast();
  return el('div', '', '', box, notes, tools);
}

// split takes off what the server says about a recording behind it, in a line that is no event.
function split(text) {
  const lines = text.split('\n').filter(Boolean), last = lines.length > 1 && lines.at(-1).startsWith('{') ? JSON.parse(lines.pop()) : {};
  return { cast: lines.join('\n') + '\n', note: last.note, terminal: JSON.parse(lines[0]).terminal, events: lines.slice(1) };
}

function select(name, values, value, label = (v) => v) {
  const s = el('select', '', '', ...values.map((v) => Object.assign(el('option', '', label(v)), { value: v, selected: v === value })));
  return el('label', '', '', name, s);
}

const sequences = /\x1b(\[[0-?]*[ -/]*[@-~]|[ -/]+.|.)|\r/g; // what drives a terminal and is no text
const longest = 1 << 20;

// transcript is the output of a session without a terminal, as text.
function transcript(events) {
  const pre = el('pre', 'transcript mono');
  pre.tabIndex = 0;
  let length = 0;
  for (const line of events) {
    const [, code, data, stream] = JSON.parse(line), text = code === 'o' ? data.replace(sequences, '') : '';
    if (!text) continue;
    if ((length += text.length) > longest) {
      pre.append(el('span', 'quiet', '\n… the rest is in the player alone'));
      break;
    }
    pre.append(stream === 'e' ? el('span', 'err', '', el('span', 'hidden', 'standard error: '), text) : text);
  }
  if (!length) pre.append(el('span', 'quiet', 'It wrote nothing.'));
  return el('section', 'card', '', el('h3', '', 'Output as text, standard error marked'), pre);
}

function operations(list) {
  const box = el('section', 'card files', '', el('h3', '', 'Operations on files'));
  if (!list.length) box.append(el('p', 'quiet', 'None was recorded.'));
  else box.append(table(list));
  return box;
}

const columns = ['After', 'What', 'File', 'Outcome'];
const told = ['did', 'path', 'to', 'change', 'size', 'sha256', 'partial', 'outcome', 'began'];

function table(list) {
  const rows = list.map(({ at, what }) => {
    const w = typeof what === 'object' && what !== null ? what : { did: String(what) }, failed = w.outcome && w.outcome !== 'ok';
    const more = Object.entries(w).filter(([k]) => !told.includes(k)).map(([k, v]) => `${k} ${JSON.stringify(v)}`);
    const file = el('td', 'path', '', el('span', 'mono', [w.path, w.to].filter(Boolean).join(' → ')));
    const moved = [w.size && size(Number(w.size)), w.partial && 'in part', w.change, ...more].filter(Boolean).join(' · ');
    if (moved) file.append(el('span', 'quiet', moved));
    if (w.sha256) file.append(el('span', 'quiet mono', 'SHA-256 ' + w.sha256));
    return el('tr', '', '', el('td', 'quiet', span(at)), el('td', 'did', String(w.did ?? '')), file, el('td', failed ? 'bad' : '', String(w.outcome ?? '')));
  });
  return el('table', '', '', el('thead', '', '', el('tr', '', '', ...columns.map((h) => el('th', '', h)))), el('tbody', '', '', ...rows));
}

const time = (t) => new Date(t).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const moment = (t) => new Date(t).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
const classes = ['nothing', 'a hint', 'a key', 'attested', 'presence', 'approved'];

function decision(r, lines) {
  const mine = lines.map((l) => l.entry).filter((e) => e?.session === r.session), of = (event) => mine.findLast((e) => e.event === event);
  const said = of('decision'), begun = of('started'), end = of('ended');
  const card = el('aside', 'card', '', el('h3', '', 'Decision'));
  card.setAttribute('aria-label', 'Decision');
  if (!said) {
    card.append(el('p', 'quiet', 'The audit log has no decision about this session.'), facts([['Session', r.session]]));
    return card;
  }
  card.append(el('p', 'verdict' + (said.verdict === 'permit' ? '' : ' bad'), said.verdict === 'permit' ? 'permitted' : said.verdict || 'no verdict'));
  card.append(el('p', 'rule', said.rule ? `by ${said.rule}` : 'by no rule', el('code', '', said.where ?? '')));
  const n = said.class ?? 0, exit = end && (end.signal ? `signal ${end.signal}` : end.exit === undefined ? 'killed' : String(end.exit));
  card.append(facts([
    ['Caller', `${said.principal} (${said.kind === 'human' ? 'a person' : 'an agent'})`], ['Agent', said.agent], ['Class', `${n}, ${classes[n] ?? ''}`],
    ['Evidence', said.evidence], ['Key', said.key], ['Security key', said.security_key], ['Attestor', said.attestor], ['Override', said.override],
    ['Source', [said.source, said.door].filter(Boolean).join(', ')], ['Grant', said.grant], ['Recording', r.record + (r.sealed ? ', encrypted' : '')],
    ['Begun', begun && time(begun.time)], ['Ended', end ? time(end.time) : r.live ? 'it runs' : 'the log has no end of it'],
    ['Exit', exit], ['Took', end?.took], ['Ended by', end?.reason], ['Session', r.session],
  ]));
  return card;
}

function facts(pairs) {
  const dl = el('dl', 'facts'), plain = ['Key', 'Session', 'Source', 'Grant'];
  for (const [name, value] of pairs) {
    const values = (Array.isArray(value) ? value : [value]).filter((v) => v !== undefined && v !== '' && v !== false);
    if (values.length) dl.append(el('dt', '', name), ...values.map((v) => el('dd', plain.includes(name) ? 'mono' : '', String(v))));
  }
  return dl;
}

function log(lines) {
  const list = el('ol', 'log');
  for (const { place, entry: e } of lines) {
    if (typeof e !== 'object') { list.append(el('li', '', `${place}: ${e}`)); continue; }
    const what = [e.verdict, e.op, e.ref, e.command, e.did, e.path, e.to && `→ ${e.to}`, e.outcome, e.rule && `rule ${e.rule}`, e.exit !== undefined && `exit ${e.exit}`, e.signal, e.took && `after ${e.took}`, e.reason];
    const summary = el('summary', '', '', el('span', 'quiet', time(e.time)), el('b', '', e.event), el('span', '', what.filter(Boolean).join('  ')));
    list.append(el('li', '', '', el('details', '', '', summary, el('pre', 'mono', `${place}\n${JSON.stringify(e, null, 2)}`))));
  }
  if (!lines.length) list.append(el('li', 'quiet', 'It has none.'));
  return el('section', 'card', '', el('h3', '', 'Lines of the audit log'), list);
}
