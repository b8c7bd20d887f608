// The page "Check it yourself". It starts the audit in a worker, shows how far it
// has come, can stop it, and says what was found. It decides nothing: the sentence
// that it shows is the answer of the audit.
//
// Whatever goes wrong ends as "could not be read", never as a record that holds or
// is false. Nothing that comes out of a record becomes HTML.
(function () {
  'use strict';
  const box = document.getElementById('check');
  if (!box) return;
  const words = JSON.parse(document.getElementById('words').textContent);
  const lang = document.documentElement.lang;
  const region = lang === 'es' ? 'es-US' : lang; // numbers as on the other pages
  const form = document.getElementById('check-form');
  const status = document.getElementById('check-status');
  const steps = document.getElementById('check-steps');
  const running = document.getElementById('check-running');
  const outcome = document.getElementById('check-outcome');
  const file = document.getElementById('check-file');
  let worker = null;
  let lines = {};
  let typed = false; // whether the reader gave the words that the record must have

  if (typeof WebAssembly !== 'object' || !window.Worker || !window.crypto || !crypto.subtle) {
    document.getElementById('check-old').hidden = false;
    return;
  }
  box.hidden = false;

  function text(key, values) {
    return words[key].replace(/\{(\w+)\}/g, function (all, name) { return values[name]; });
  }

  function number(n) {
    return new Intl.NumberFormat(region).format(n);
  }

  function size(bytes) {
    return new Intl.NumberFormat(region, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(bytes / 1e6);
  }

  function element(name, content, language) {
    const e = document.createElement(name);
    e.textContent = content;
    if (language && language !== lang) e.lang = language;
    return e;
  }

  // address is the worker's, which the browser takes from this page only: it
  // refuses any string as the address of a script.
  function address() {
    const url = box.dataset.worker;
    if (!window.trustedTypes) return url;
    return trustedTypes.createPolicy('check', { createScriptURL: function () { return url; } }).createScriptURL('');
  }
  const trusted = address();

  function step(m) {
    const line = lines[m.step] || steps.appendChild(document.createElement('li'));
    lines[m.step] = line;
    const key = 'audit.step.' + m.step;
    line.textContent = text(key in words ? key : 'audit.step.other', { done: number(m.done), total: number(m.total), size: size(m.bytes) });
  }

  // finish ends a check and shows some paragraphs, the first as a heading.
  function finish(heading, paragraphs) {
    if (worker) worker.terminate();
    worker = null;
    running.hidden = true;
    form.hidden = false;
    status.textContent = '';
    outcome.textContent = '';
    outcome.hidden = false;
    const h = outcome.appendChild(element('h2', heading));
    h.tabIndex = -1;
    paragraphs.forEach(function (p) { outcome.appendChild(typeof p === 'string' ? element('p', p) : p); });
    h.focus();
  }

  function unread(why) {
    const key = 'audit.unread.' + why;
    const more = key in words ? [text(key, {})] : [];
    finish(text('audit.unread', {}), [text('audit.unread.means', {})].concat(more));
  }

  // list folds what was checked.
  function list(report) {
    const details = document.createElement('details');
    details.className = 'fold';
    details.appendChild(element('summary', text('audit.checked', {})));
    const rows = details.appendChild(document.createElement('dl'));
    rows.lang = 'en';
    report.checks.forEach(function (c) {
      rows.appendChild(element('dt', c.name));
      rows.appendChild(element('dd', c.detail));
    });
    return details;
  }

  // sentence says the audit's outcome, in the page's language where the page knows this
  // very sentence in it.
  function sentence(outcome) {
    return outcome === box.dataset.outcome ? element('p', box.dataset.said) : element('p', outcome, 'en');
  }

  // answer shows what the audit said.
  function answer(a) {
    const report = a.report ? JSON.parse(a.report) : null;
    if (a.state === 'holds' && report.verified === true) {
      const said = [text(typed ? 'audit.holds.entered' : 'audit.holds.words', { six_words: report.election.words })];
      if (report.outcome) said.unshift(sentence(report.outcome));
      else said.unshift(text(report.stage === 'cancelled' ? 'audit.holds.cancelled' : 'audit.holds.locked', {}));
      if (report.stage === 'opened') said.splice(1, 0, text('audit.holds.opened', {}));
      said.unshift(report.ballots === 1 ? text('audit.ballots.one', {}) : text('audit.ballots.other', { n: number(report.ballots) }));
      finish(text('audit.holds', {}), said.concat(list(report)));
    } else if (a.state === 'false') {
      finish(text('audit.false', {}), [element('p', a.rule, 'en'), text('audit.false.means', { observer_contact: box.dataset.observer }), list(report)]);
    } else if (a.state === 'other') {
      finish(text('audit.other', {}), [text('audit.other.means', { six_words: report.election.words })]);
    } else {
      unread(a.why);
    }
  }

  function start(zip) {
    const request = {
      program: box.dataset.program, sha256: box.dataset.sha256,
      base: zip ? '' : new URL(box.dataset.record, location.href).href, zip: zip,
      mid: box.dataset.mid, words: document.getElementById('check-words').value,
    };
    typed = request.words.trim() !== '';
    lines = {};
    steps.textContent = '';
    outcome.hidden = true;
    form.hidden = true;
    running.hidden = false;
    status.textContent = text('audit.running', {});
    document.getElementById('check-stop').focus();
    worker = new Worker(trusted);
    worker.onerror = function () { unread('start'); };
    worker.onmessage = function (event) {
      const m = event.data;
      if (m.step) step(m);
      else if (m.failed) unread(m.failed);
      else {
        try {
          answer(JSON.parse(m.answer));
        } catch (e) {
          unread('start');
        }
      }
    };
    worker.postMessage(request, zip ? [zip] : []);
  }

  form.addEventListener('submit', function (event) {
    event.preventDefault();
    if (!worker) start(null);
  });
  document.getElementById('check-stop').addEventListener('click', function () {
    if (worker) finish(text('audit.stopped', {}), [text('audit.stopped.means', {})]);
  });
  file.addEventListener('change', function () {
    if (worker || !file.files.length) return;
    // Older browsers read a file only as the body of something.
    new Response(file.files[0]).arrayBuffer().then(function (zip) {
      file.value = '';
      start(zip);
    }, function () { unread('source'); });
  });
})();
