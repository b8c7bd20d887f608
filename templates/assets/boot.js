// Runs before the page's own script, in browsers of any age, and says so where a
// ballot cannot be sealed: else such a browser would show nothing at all. Written
// in the language of 2009, and served as it stands here.
(function () {
  var root = document.documentElement;
  var byId = function (id) { return document.getElementById(id); };
  function show(id) {
    byId("loading").hidden = true;
    byId(id).hidden = false;
    byId("main").setAttribute("data-screen", "problem");
    byId("main").setAttribute("data-problem", id);
  }
  var able = typeof BigInt === "function" && typeof Promise === "function" && typeof fetch === "function" &&
    typeof Intl === "object" && typeof Intl.PluralRules === "function" && typeof TextEncoder === "function" &&
    window.crypto && crypto.getRandomValues && crypto.subtle;
  if (!able) {
    root.setAttribute("data-page", "old");
    show("old");
    return;
  }
  byId("loading").hidden = false;
  byId("reload").onclick = function () { location.reload(); return false; };
  // The page's script follows in the same document and sets data-page when it runs.
  // A connection that broke in the middle leaves a script that cannot be read.
  window.addEventListener("load", function () {
    if (!root.getAttribute("data-page")) {
      show("part");
    }
  });
})();
