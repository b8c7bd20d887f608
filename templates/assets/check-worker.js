// The worker of the page "Check it yourself". It runs the audit, which is Go
// compiled to WebAssembly, beside the page, so that the page stays alive and can
// stop it. It is served behind Go's wasm_exec.js, in one file: see internal/pages.
//
// It knows nothing of the reader. It asks for files of one record on its own
// origin and for nothing else, and starts no program but the one whose SHA-256
// the page named.
//
// The page sends {program, sha256, base, zip, mid, words}: the addresses of the
// program and of the record, or the bytes of an archive in place of that. It gets
// any number of {step, done, total, bytes}, then {answer}, a JSON text, or {failed}.
(function () {
  'use strict';
  const tries = 5;
  const pause = 250; // ms, doubled with each try
  const patience = 60000; // ms for one file
  const most = 64 << 20; // bytes of the program

  let audit = null; // a Promise of the function that the program defines

  function sleep(ms) {
    return new Promise(function (resolve) { setTimeout(resolve, ms); });
  }

  // read reads a body up to a limit: a server could send for ever.
  async function read(response, limit) {
    const reader = response.body.getReader();
    const parts = [];
    let size = 0;
    for (;;) {
      const part = await reader.read();
      if (part.done) break;
      size += part.value.length;
      if (size > limit) {
        reader.cancel().catch(function () {});
        return 'large';
      }
      parts.push(part.value);
    }
    const all = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  // missing tells a file that is not there from one that comes at the lock.
  async function missing(response) {
    const text = await read(response, 4096);
    if (text === 'large') return null;
    try {
      return JSON.parse(new TextDecoder().decode(text)).error === 'withheld' ? 'withheld' : null;
    } catch (e) {
      return null;
    }
  }

  // once asks once. What it throws is final where asking again would not help.
  async function once(url, limit) {
    const stop = new AbortController();
    const timer = setTimeout(function () { stop.abort(); }, patience);
    try {
      // A redirect could lead to what only the reader can reach.
      const response = await fetch(url, { redirect: 'error', credentials: 'omit', signal: stop.signal });
      if (response.status === 200) return await read(response, limit);
      if (response.status === 404 || response.status === 410) return await missing(response);
      if (response.status >= 500 || response.status === 429) throw new Error('busy');
      throw Object.assign(new Error('refused'), { final: true });
    } finally {
      clearTimeout(timer);
    }
  }

  async function retry(ask) {
    for (let n = 0; ; n++) {
      try {
        return await ask();
      } catch (e) {
        if (e.final || n + 1 === tries) throw e;
        const wait = pause * Math.pow(2, n);
        await sleep(wait / 2 + Math.random() * wait);
      }
    }
  }

  // start loads and compiles the program, if its bytes are the ones that were named.
  async function start(url, sha256) {
    const program = await retry(function () { return once(url, most); });
    const digest = await crypto.subtle.digest('SHA-256', program);
    const hex = Array.from(new Uint8Array(digest), function (b) { return b.toString(16).padStart(2, '0'); }).join('');
    if (hex !== sha256) throw new Error('another program');
    const go = new Go();
    const made = await WebAssembly.instantiate(program, go.importObject);
    // It ends only by a crash, such as memory that ran out. Then no answer would
    // ever come.
    const ended = function () { self.postMessage({ failed: 'crash' }); };
    go.run(made.instance).then(ended, ended);
    return self.strikevoteAudit;
  }

  self.onmessage = function (event) {
    const m = event.data;
    if (!audit) audit = start(m.program, m.sha256);
    audit.then(function (run) {
      return run({
        get: function (path, limit) { return retry(function () { return once(m.base + path, limit); }); },
        zip: m.zip ? new Uint8Array(m.zip) : null,
        mid: m.mid || '',
        words: m.words || '',
        progress: function (step, done, total, bytes) {
          self.postMessage({ step: step, done: done, total: total, bytes: bytes });
        },
      });
    }).then(function (answer) {
      self.postMessage({ answer: answer });
    }, function () {
      self.postMessage({ failed: 'start' });
    });
  };
})();
